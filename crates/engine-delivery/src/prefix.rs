//! The expressions in object prefixes: `!{namespace:value}`.
//!
//! Source: the Firehose developer guide, "Understand custom prefixes for Amazon S3 objects". A prefix without
//! any expression gets `yyyy/MM/dd/HH/` appended as it stands; one with an expression gets nothing.

use base::{Millis, Random};
use chrono_tz::Tz;

use crate::error_document::ErrorType;
use crate::time_pattern;

/// What the service appends where the prefix names no time itself.
const DEFAULT_TIME: &str = "yyyy/MM/dd/HH/";
const RANDOM_LETTERS: usize = 11;
/// 2022-09-28T12:00:00Z, a Wednesday in September.
const LONG_TIME_MS: Millis = 1_664_366_400_000;

/// A parsed prefix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prefix {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Timestamp(String),
    RandomString,
    ErrorOutputType,
    PartitionKeyFromQuery(String),
    PartitionKeyFromLambda(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPrefix(String);

/// What the expressions stand for in one object's name.
pub(crate) struct Values<'a> {
    /// When the oldest record of the object arrived.
    pub time_ms: Millis,
    pub zone: Tz,
    /// `processing-failed` and the like, in error prefixes.
    pub error_type: Option<&'a str>,
    pub partition_keys: &'a [(String, String)],
}

impl Prefix {
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("!{") {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let end = rest[at..]
                .find('}')
                .ok_or_else(|| InvalidPrefix(format!("an expression is not closed in {text:?}")))?;
            parts.push(expression(&rest[at + 2..at + end])?);
            rest = &rest[at + end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let prefix = Self { parts };
        prefix.evaluate(&prefix.sample(), &Random::seeded(0))?;
        Ok(prefix)
    }

    /// Whether any expression stands in it.
    #[must_use]
    pub fn has_expressions(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    #[must_use]
    pub fn has_error_output_type(&self) -> bool {
        self.parts.contains(&Part::ErrorOutputType)
    }

    /// The names behind `partitionKeyFromQuery`.
    #[must_use]
    pub fn query_keys(&self) -> Vec<&str> {
        self.names(|part| matches!(part, Part::PartitionKeyFromQuery(_)))
    }

    /// The names behind `partitionKeyFromLambda`.
    #[must_use]
    pub fn lambda_keys(&self) -> Vec<&str> {
        self.names(|part| matches!(part, Part::PartitionKeyFromLambda(_)))
    }

    fn names(&self, wanted: impl Fn(&Part) -> bool) -> Vec<&str> {
        let mut names = Vec::new();
        for part in self.parts.iter().filter(|part| wanted(part)) {
            if let Part::PartitionKeyFromQuery(name) | Part::PartitionKeyFromLambda(name) = part {
                names.push(name.as_str());
            }
        }
        names
    }

    pub(crate) fn evaluate(&self, values: &Values<'_>, random: &Random) -> Result<String, InvalidPrefix> {
        let time = time_pattern::in_zone(values.time_ms, values.zone);
        let pattern = |pattern: &str| time_pattern::format(pattern, time).map_err(InvalidPrefix);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Timestamp(text) => out.push_str(&pattern(text)?),
                Part::RandomString => out.push_str(&random.alphanumeric(RANDOM_LETTERS)),
                Part::ErrorOutputType => out.push_str(values.error_type.unwrap_or_default()),
                Part::PartitionKeyFromQuery(name) | Part::PartitionKeyFromLambda(name) => {
                    let found = values.partition_keys.iter().find(|(key, _)| key == name);
                    out.push_str(found.map(|(_, value)| value.as_str()).unwrap_or_default());
                }
            }
        }
        if !self.has_expressions() {
            out.push_str(&pattern(DEFAULT_TIME)?);
        }
        Ok(out)
    }

    /// Characters and bytes of all but the values of partition keys, at a moment whose text is long.
    #[must_use]
    pub fn fixed_length(&self, zone: Tz) -> (usize, usize) {
        let values = Values {
            time_ms: LONG_TIME_MS,
            zone,
            error_type: Some(ErrorType::MetadataExtraction.as_str()),
            partition_keys: &[],
        };
        // What cannot be evaluated was refused by `parse`.
        let text = self.evaluate(&values, &Random::seeded(0)).unwrap_or_default();
        (text.chars().count(), text.len())
    }

    /// Characters and bytes that the values of partition keys add to that.
    pub(crate) fn keys_length(&self, partition_keys: &[(String, String)]) -> (usize, usize) {
        let mut length = (0, 0);
        for part in &self.parts {
            if let Part::PartitionKeyFromQuery(name) | Part::PartitionKeyFromLambda(name) = part
                && let Some((_, value)) = partition_keys.iter().find(|(key, _)| key == name)
            {
                length = (length.0 + value.chars().count(), length.1 + value.len());
            }
        }
        length
    }

    /// The first partition key that it names and that is not among these.
    pub(crate) fn missing(&self, partition_keys: &[(String, String)]) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::PartitionKeyFromQuery(name) | Part::PartitionKeyFromLambda(name) => {
                let is_there = partition_keys.iter().any(|(key, _)| key == name);
                (!is_there).then_some(name.as_str())
            }
            _ => None,
        })
    }

    /// Values for a trial, so that a bad pattern is found when the prefix is given and not at the first object.
    fn sample(&self) -> Values<'static> {
        Values {
            time_ms: 0,
            zone: Tz::UTC,
            error_type: None,
            partition_keys: &[],
        }
    }
}

fn expression(text: &str) -> Result<Part, InvalidPrefix> {
    let (namespace, value) = text
        .split_once(':')
        .ok_or_else(|| InvalidPrefix(format!("the expression !{{{text}}} has no namespace")))?;
    match (namespace, value) {
        ("timestamp", "") => Err(InvalidPrefix("the expression !{timestamp:} has no pattern".into())),
        ("timestamp", pattern) => Ok(Part::Timestamp(pattern.to_owned())),
        ("firehose", "random-string") => Ok(Part::RandomString),
        ("firehose", "error-output-type") => Ok(Part::ErrorOutputType),
        ("partitionKeyFromQuery", name) if !name.is_empty() => Ok(Part::PartitionKeyFromQuery(name.to_owned())),
        ("partitionKeyFromLambda", name) if !name.is_empty() => Ok(Part::PartitionKeyFromLambda(name.to_owned())),
        _ => Err(InvalidPrefix(format!("the expression !{{{text}}} is not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, expect: &str) {
        let keys = [("carrier".to_owned(), "UA".to_owned())];
        let values = Values {
            time_ms: 1_359_911_169_045,
            zone: Tz::UTC,
            error_type: Some("processing-failed"),
            partition_keys: &keys,
        };
        let found = Prefix::parse(prefix).and_then(|prefix| prefix.evaluate(&values, &Random::seeded(1)));
        assert_eq!(
            found.unwrap_or_else(|error| format!("error: {error}")),
            expect,
            "{prefix}"
        );
    }

    #[test]
    fn expressions() {
        check("", "2013/02/03/17/");
        check("raw", "raw2013/02/03/17/");
        check("raw/!{timestamp:yyyy}/", "raw/2013/");
        check(
            "year=!{timestamp:yyyy}/carrier=!{partitionKeyFromQuery:carrier}/",
            "year=2013/carrier=UA/",
        );
        check("err/!{firehose:error-output-type}/", "err/processing-failed/");
        check(
            "!{timestamp:yyyy",
            "error: an expression is not closed in \"!{timestamp:yyyy\"",
        );
        check("!{nope:x}", "error: the expression !{nope:x} is not known");
        let parsed = Prefix::parse("\u{e9}/!{timestamp:EEEE-MMMM}/!{partitionKeyFromQuery:a}/").expect("parses");
        assert_eq!(parsed.fixed_length(Tz::UTC), (23, 24));
        assert_eq!(
            parsed.keys_length(&[("a".into(), "\u{e9}".into()), ("b".into(), "x".into())]),
            (1, 2)
        );
        check("!{timestamp:b}", "error: the pattern letter 'b' is not known");
    }
}
