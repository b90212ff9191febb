//! Records that a pattern takes apart: Hive's RegexSerDe, and what Grok patterns become.
//!
//! Sources: Apache Hive, class RegexSerDe; of GrokSerDe, Trino's GrokDeserializer and Match, which AWS gave.

use arrow::datatypes::Schema;
use fancy_regex::RegexBuilder;

use super::{Grok, Row, append_value, java, text};
use crate::{ColumnBuilder, FormatError, Refusal};

/// A pattern may go back and forth so often at one record. Expressions without look-around and back references never
/// do.
const STEPS_MAX: usize = 1_000_000;
/// What a pattern may be compiled to, in instructions.
const PROGRAM_SIZE_MAX: usize = 1 << 20;

/// What becomes of a record that a pattern does not match, and of a value that is not of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// NULLs, as the SerDes have it.
    #[default]
    Null,
    /// The record is refused.
    Refuse,
}

/// Hive's RegexSerDe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regex {
    /// In Java's syntax (`input.regex`), for whole records. Its groups are the columns, in order.
    pub pattern: String,
    /// `input.regex.case.insensitive`.
    pub case_insensitive: bool,
    pub unmatched: Unmatched,
}

/// A compiled pattern, and which of its groups are columns.
pub(super) struct Matcher {
    regex: fancy_regex::Regex,
    /// Of each place in a record, the groups that may have it: the first that took part in the match does.
    groups: Vec<Vec<usize>>,
    /// Whether quotes around a value are not of it.
    unquotes: bool,
    unmatched: Unmatched,
}

impl Matcher {
    pub(super) fn of_regex(regex: &Regex, record: &Schema) -> Result<Self, FormatError> {
        // It must match whole records.
        let whole = format!(r"\A(?:{})\z", java::translate(&regex.pattern)?);
        Ok(Self {
            regex: compile(&whole, regex.case_insensitive)?,
            groups: (1..=record.fields().len()).map(|group| vec![group]).collect(),
            unquotes: false,
            unmatched: regex.unmatched,
        })
    }

    /// Columns find their groups by name, whatever the case. Where one of them has none and the pattern has a group for
    /// each column, they have them in their order, as with the SerDe, which does not look at names.
    pub(super) fn of_grok(grok: &Grok, record: &Schema) -> Result<Self, FormatError> {
        let expanded = grok.expand()?;
        let regex = compile(&java::translate(&expanded.pattern)?, false)?;
        let names: Vec<Option<&str>> = regex.capture_names().collect();
        let number = |group: &str| names.iter().position(|name| *name == Some(group));
        let of_name = |column: &str| -> Vec<usize> {
            let captures = expanded.captures.iter();
            let named = captures.filter(|capture| capture.name.eq_ignore_ascii_case(column));
            named.filter_map(|capture| number(&capture.group)).collect()
        };
        let mut groups: Vec<Vec<usize>> = record.fields().iter().map(|field| of_name(field.name())).collect();
        let in_order = expanded.names();
        if groups.iter().any(Vec::is_empty) && in_order.len() == groups.len() {
            groups = in_order.iter().map(|name| of_name(name)).collect();
        }
        Ok(Self {
            groups,
            regex,
            unquotes: true,
            unmatched: grok.unmatched,
        })
    }

    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) -> Result<(), Refusal> {
        let record = text(record);
        let record: &str = &record;
        let refusal = |message: String| Refusal {
            malformed: true,
            message,
        };
        let captures = self.regex.captures(record).map_err(|_| {
            let why = format!("the pattern takes more than {STEPS_MAX} steps at a record");
            refusal(why)
        })?;
        let Some(captures) = captures else {
            return match self.unmatched {
                Unmatched::Null => Ok(()),
                Unmatched::Refuse => Err(refusal("the record does not match the pattern".to_owned())),
            };
        };
        for (place, groups) in self.groups.iter().enumerate() {
            let Some(found) = groups.iter().find_map(|group| captures.get(*group)) else {
                continue;
            };
            let found = if self.unquotes {
                unquoted(found.as_str())
            } else {
                found.as_str()
            };
            let appended = row.append(place, found, |column| match column {
                // The SerDes take anything else for false.
                ColumnBuilder::Boolean(values) if self.unmatched == Unmatched::Null => {
                    values.push(found.eq_ignore_ascii_case("true"));
                    Ok(())
                }
                other => append_value(other, found),
            });
            if self.unmatched == Unmatched::Refuse {
                appended?;
            }
        }
        Ok(())
    }
}

/// GrokSerDe takes the quotes off a value that stands between two of them, and makes nothing of one quote.
fn unquoted(value: &str) -> &str {
    let inner = |quote: char| {
        value
            .strip_prefix(quote)
            .map(|rest| rest.strip_suffix(quote).unwrap_or(rest))
    };
    let quoted = |quote: char| value.starts_with(quote) && value.ends_with(quote);
    ['"', '\'']
        .into_iter()
        .find(|quote| quoted(*quote))
        .and_then(inner)
        .unwrap_or(value)
}

/// `pattern` is of the crate's own syntax.
fn compile(pattern: &str, case_insensitive: bool) -> Result<fancy_regex::Regex, FormatError> {
    RegexBuilder::new(pattern)
        .case_insensitive(case_insensitive)
        .backtrack_limit(STEPS_MAX)
        .max_prog_size(PROGRAM_SIZE_MAX)
        .build()
        .map_err(|error| FormatError::Pattern(error.to_string()))
}
