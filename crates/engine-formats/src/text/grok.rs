//! Grok patterns: names for regular expressions, which are put together and name what they find.
//!
//! Source: AWS Glue Developer Guide, "Writing custom classifiers"; Amazon Athena User Guide, "Grok SerDe".

use std::collections::HashMap;
use std::rc::Rc;

use engine_catalog::{Column, HiveType};

use super::Unmatched;
use super::grok_patterns::BUILT_IN;
use crate::FormatError;

/// Patterns may be made of patterns so many times over.
const DEPTH_MAX: usize = 32;
/// What a pattern may become.
const EXPANDED_BYTES_MAX: usize = 1 << 20;
/// What patterns name so has no name.
const UNWANTED: &str = "UNWANTED";

/// Glue's GrokSerDe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grok {
    /// `input.format`: text with `%{PATTERN:column}` or `%{PATTERN:column:type}` in it, which is looked for in records.
    pub pattern: String,
    /// `input.grokCustomPatterns`: lines of a name and its expression.
    pub custom_patterns: String,
    pub unmatched: Unmatched,
}

/// A pattern as one regular expression.
pub(super) struct Expanded {
    pub(super) pattern: String,
    /// In the order of their groups.
    pub(super) captures: Vec<Capture>,
}

impl Expanded {
    /// The columns that the pattern names, each once, in their order.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for capture in self.captures.iter().filter(|capture| capture.explicit) {
            if names.iter().all(|name| !name.eq_ignore_ascii_case(&capture.name)) {
                names.push(&capture.name);
            }
        }
        names
    }
}

/// A group of the expression and the column that it is.
pub(super) struct Capture {
    pub(super) group: String,
    pub(super) name: String,
    data_type: HiveType,
    /// Whether the pattern names it, rather than that it is the name of a pattern which the column is called by.
    explicit: bool,
}

impl Grok {
    /// The columns of a table of such records: what the pattern names, in order and in lower case, and a pattern
    /// without a name where nothing within it has one.
    pub fn columns(&self) -> Result<Vec<Column>, FormatError> {
        let mut columns: Vec<Column> = Vec::new();
        for capture in self.expand()?.captures.iter().filter(|capture| capture.explicit) {
            let name = capture.name.to_lowercase();
            if columns.iter().all(|column| column.name != name) {
                columns.push(Column::new(name, capture.data_type.to_string()));
            }
        }
        Ok(columns)
    }

    pub(super) fn expand(&self) -> Result<Expanded, FormatError> {
        let built_in = BUILT_IN.iter().map(|(name, expression)| (*name, (*expression).into()));
        let mut patterns: HashMap<&str, Rc<str>> = built_in.collect();
        for line in self.custom_patterns.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, expression) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong(format!("the custom pattern {line} has no expression")))?;
            patterns.insert(name, expression.trim_start().into());
        }
        let mut expansion = Expansion {
            patterns,
            expanded: Expanded {
                pattern: String::new(),
                captures: Vec::new(),
            },
        };
        expansion.put(&self.pattern, 0)?;
        Ok(expansion.expanded)
    }
}

struct Expansion<'p> {
    patterns: HashMap<&'p str, Rc<str>>,
    expanded: Expanded,
}

impl Expansion<'_> {
    fn put(&mut self, text: &str, depth: usize) -> Result<(), FormatError> {
        if depth > DEPTH_MAX {
            return Err(wrong("patterns are made of themselves".to_owned()));
        }
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            self.expanded.pattern.push_str(&rest[..at]);
            let (reference, after) = rest[at + 2..]
                .split_once('}')
                .ok_or_else(|| wrong(format!("a reference does not end: {}", &rest[at..])))?;
            self.put_reference(reference, depth)?;
            rest = after;
        }
        self.expanded.pattern.push_str(rest);
        if self.expanded.pattern.len() > EXPANDED_BYTES_MAX {
            return Err(wrong(format!("it becomes longer than {EXPANDED_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// `PATTERN`, `PATTERN:column` or `PATTERN:column:type`; a semicolon may stand before the type as well. Behind an
    /// equals sign the expression itself may stand.
    fn put_reference(&mut self, reference: &str, depth: usize) -> Result<(), FormatError> {
        let (reference, own) = match reference.split_once('=') {
            Some((reference, own)) => (reference, Some(own)),
            None => (reference, None),
        };
        let mut parts = reference.split([':', ';']);
        let pattern = parts.next().unwrap_or_default();
        let column = parts.next();
        let unwanted = column == Some(UNWANTED);
        let data_type = parts.next().map_or(Ok(HiveType::String), data_type)?;
        let expression = match own {
            Some(own) => own.into(),
            None => {
                let known = self.patterns.get(pattern).cloned();
                known.ok_or_else(|| wrong(format!("there is no pattern {pattern}")))?
            }
        };
        let at = self.expanded.captures.len();
        if !unwanted && (column.is_some() || depth == 0) {
            let group = format!("g{at}");
            self.expanded.pattern.push_str(&format!("(?<{group}>"));
            self.expanded.captures.push(Capture {
                group,
                name: column.unwrap_or(pattern).to_owned(),
                data_type,
                explicit: column.is_some(),
            });
        } else {
            self.expanded.pattern.push_str("(?:");
        }
        self.put(&expression, depth + 1)?;
        self.expanded.pattern.push(')');
        // A pattern of the first level that names nothing is a column itself.
        if column.is_none() && depth == 0 {
            let nothing_within = !self.expanded.captures[at + 1..].iter().any(|capture| capture.explicit);
            self.expanded.captures[at].explicit = nothing_within;
        }
        Ok(())
    }
}

fn data_type(name: &str) -> Result<HiveType, FormatError> {
    Ok(match name {
        "byte" => HiveType::Tinyint,
        "boolean" => HiveType::Boolean,
        "double" => HiveType::Double,
        "short" => HiveType::Smallint,
        "int" | "integer" => HiveType::Int,
        "long" => HiveType::Bigint,
        "float" => HiveType::Float,
        "string" => HiveType::String,
        other => return Err(wrong(format!("there is no type {other}"))),
    })
}

fn wrong(why: String) -> FormatError {
    FormatError::Pattern(why)
}
