//! Partition keys out of records, by a JQ query that yields an object: `{carrier: .carrier, month: .month}`.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};

/// A query may be so long.
const QUERY_BYTES_MAX: usize = 10_000;
/// What a record may yield; the service documents 50 keys.
const KEYS_MAX: usize = 50;

type Filter = jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>;

/// A compiled query.
pub struct PartitionQuery {
    filter: Filter,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(String);

impl PartitionQuery {
    pub fn compile(query: &str) -> Result<Self, InvalidQuery> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(InvalidQuery(format!(
                "the query is longer than {QUERY_BYTES_MAX} bytes"
            )));
        }
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code: query, path: () })
            .map_err(|_| InvalidQuery(format!("the query does not parse: {query}")))?;
        let filter = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let names: Vec<_> = errors
                .iter()
                .flat_map(|(_, undefined)| undefined)
                .map(|(name, _)| (*name).to_owned())
                .collect();
            InvalidQuery(format!("the query names what is not defined: {}", names.join(", ")))
        })?;
        Ok(Self { filter })
    }

    /// The partition keys of a record, or why there are none, as text. The record must be one JSON value.
    pub fn keys(&self, record: &[u8]) -> Result<Vec<(String, String)>, String> {
        let input = read::parse_single(record).map_err(|error| format!("the record is not JSON: {error}"))?;
        let context = Ctx::<data::JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let mut outputs = self.filter.id.run((context, input)).map(unwrap_valr);
        let output = match outputs.next() {
            Some(Ok(output)) => output,
            Some(Err(error)) => return Err(format!("the query failed: {error}")),
            None => return Err("the query yields nothing".into()),
        };
        let Val::Obj(map) = output else {
            return Err("the query yields no object".into());
        };
        if map.len() > KEYS_MAX {
            return Err(format!("the query yields more than {KEYS_MAX} keys"));
        }
        map.iter()
            .map(|(key, value)| Ok((text(key)?, partition_value(key, value)?)))
            .collect()
    }
}

/// A key's value as it stands in a prefix. What is missing cannot name a place.
fn partition_value(key: &Val, value: &Val) -> Result<String, String> {
    match value {
        Val::Null => Err(format!("the partition key {key} is null")),
        Val::Obj(_) | Val::Arr(_) => Err(format!("the partition key {key} is neither text nor number")),
        value => text(value).and_then(|text| {
            if text.is_empty() {
                Err(format!("the partition key {key} is empty"))
            } else {
                Ok(text)
            }
        }),
    }
}

fn text(value: &Val) -> Result<String, String> {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => {
            String::from_utf8(bytes.to_vec()).map_err(|_| "a partition key is no text".to_owned())
        }
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, record: &str, expect: &str) {
        let found = PartitionQuery::compile(query)
            .map_err(|error| error.to_string())
            .and_then(|query| query.keys(record.as_bytes()))
            .map(|keys| {
                keys.iter()
                    .map(|(k, v)| format!("{k}={v}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
        assert_eq!(found.unwrap_or_else(|error| format!("error: {error}")), expect);
    }

    #[test]
    fn keys_of_records() {
        check("{a: .a, b: .b.c}", r#"{"a": "x", "b": {"c": 7}}"#, "a=x b=7");
        check(
            "{day: .time[:10], hour: (.n | floor)}",
            r#"{"time": "2013-01-01T05:00", "n": 5.7}"#,
            "day=2013-01-01 hour=5",
        );
        check("{a: .a}", r#"{"b": 1}"#, "error: the partition key \"a\" is null");
        check("{a: .a}", r#"{"a": ""}"#, "error: the partition key \"a\" is empty");
        check(
            "{a: .a}",
            r#"{"a": [1]}"#,
            "error: the partition key \"a\" is neither text nor number",
        );
        check(".a", r#"{"a": 1}"#, "error: the query yields no object");
        check("empty", "{}", "error: the query yields nothing");
        check("{a: .a", "{}", "error: the query does not parse: {a: .a");
        check("{a: nope}", "{}", "error: the query names what is not defined: nope");
        check("{a: true}", "{}", "a=true");
        assert!(
            PartitionQuery::compile("{a: .a}")
                .expect("compiles")
                .keys(b"{")
                .is_err()
        );
    }
}
