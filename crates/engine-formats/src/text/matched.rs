//! Records that a pattern takes apart: Hive's RegexSerDe, and what Grok patterns become.
//!
//! Source: Apache Hive, class RegexSerDe.

use arrow::datatypes::Schema;
use fancy_regex::RegexBuilder;

use super::{Grok, Row, text};
use crate::{FormatError, Refusal};

/// A pattern that goes back and forth more often than this at one record does not match it.
const STEPS_MAX: usize = 1_000_000;

/// What becomes of a record that the pattern does not match, and of a value that is not of its column's type.
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
    /// In Java's syntax (`input.regex`). Its groups are the columns, in order.
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
    unmatched: Unmatched,
}

impl Matcher {
    pub(super) fn of_regex(regex: &Regex, record: &Schema) -> Result<Self, FormatError> {
        let compiled = compile(&regex.pattern, regex.case_insensitive)?;
        Ok(Self {
            regex: compiled,
            groups: (1..=record.fields().len()).map(|group| vec![group]).collect(),
            unmatched: regex.unmatched,
        })
    }

    /// Columns find their groups by name, whatever the case.
    pub(super) fn of_grok(grok: &Grok, record: &Schema) -> Result<Self, FormatError> {
        let expanded = grok.expand()?;
        let regex = compile(&expanded.pattern, false)?;
        let names: Vec<Option<&str>> = regex.capture_names().collect();
        let number = |group: &str| names.iter().position(|name| *name == Some(group));
        let of_column = |column: &str| {
            let captures = expanded.captures.iter();
            let named = captures.filter(|capture| capture.name.eq_ignore_ascii_case(column));
            named.filter_map(|capture| number(&capture.group)).collect()
        };
        Ok(Self {
            groups: record.fields().iter().map(|field| of_column(field.name())).collect(),
            regex,
            unmatched: grok.unmatched,
        })
    }

    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) -> Result<(), Refusal> {
        let record = text(record);
        let record: &str = &record;
        // A pattern that takes too long is as good as one that does not match.
        let Some(captures) = self.regex.captures(record).ok().flatten() else {
            return match self.unmatched {
                Unmatched::Null => Ok(()),
                Unmatched::Refuse => Err(Refusal {
                    malformed: true,
                    message: "the record does not match the pattern".to_owned(),
                }),
            };
        };
        for (place, groups) in self.groups.iter().enumerate() {
            let Some(found) = groups.iter().find_map(|group| captures.get(*group)) else {
                continue;
            };
            let appended = row.append_text(place, found.as_str());
            if self.unmatched == Unmatched::Refuse {
                appended?;
            }
        }
        Ok(())
    }
}

/// The pattern must match whole records.
fn compile(pattern: &str, case_insensitive: bool) -> Result<fancy_regex::Regex, FormatError> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .case_insensitive(case_insensitive)
        .backtrack_limit(STEPS_MAX)
        .build()
        .map_err(|error| FormatError::Pattern(error.to_string()))
}
