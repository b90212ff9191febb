//! Partition keys out of records, by a JQ query that yields an object: `{carrier: .carrier, month: .month}`.

use base::Millis;

use crate::jq::{FIELDS_MAX, Field, Limits, Output, Query, REASON_BYTES_MAX};

/// A query may be so long.
const QUERY_BYTES_MAX: usize = 10_000;

/// A compiled query.
pub struct PartitionQuery {
    query: Query,
    limits: Limits,
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
        match Query::compile(query) {
            Ok(compiled) => Ok(Self {
                query: compiled,
                limits: Limits::default(),
            }),
            Err(reason) => Err(InvalidQuery(format!("the query {reason}: {query}"))),
        }
    }

    /// The partition keys of a record, or why there are none, as text. The record must be one JSON value. `now` in a
    /// query is when the record arrived, so that the same record gives the same keys every time.
    pub fn keys(&self, record: &[u8], arrival_ms: Millis) -> Result<Vec<(String, String)>, String> {
        self.extract(record, arrival_ms).map_err(|mut reason| {
            // A reason may quote the record.
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            reason
        })
    }

    fn extract(&self, record: &[u8], arrival_ms: Millis) -> Result<Vec<(String, String)>, String> {
        let now = arrival_ms as f64 / 1000.0;
        let output = self.query.first(record, now, self.limits)?;
        let fields = match output.ok_or("the query yields nothing")? {
            Output::Object(fields) => fields,
            Output::TooLarge => return Err(format!("the query yields more than {FIELDS_MAX} keys")),
            Output::Other => return Err("the query yields no object".into()),
        };
        fields.into_iter().map(partition_key).collect()
    }
}

/// A key and its value as they stand in a prefix. What is missing cannot name a place.
fn partition_key((key, value): (String, Field)) -> Result<(String, String), String> {
    match value {
        Field::Text(text) if text.is_empty() => Err(format!("the partition key {key:?} is empty")),
        Field::Text(text) => Ok((key, text)),
        Field::Null => Err(format!("the partition key {key:?} is null")),
        Field::Nested => Err(format!("the partition key {key:?} is neither text nor number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, record: &str, expect: &str) {
        let found = PartitionQuery::compile(query)
            .map_err(|error| error.to_string())
            .and_then(|query| query.keys(record.as_bytes(), 1_625_465_228_500))
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
        check("{a: .a", "{}", "error: the query does not parse before byte 6: {a: .a");
        check(
            "{'a': .a}",
            "{}",
            "error: the query does not parse before byte 1, a single quote: texts stand in double quotes: {'a': .a}",
        );
        check(
            "{a: nope}",
            "{}",
            "error: the query names what is not defined: nope/0: {a: nope}",
        );
        check(
            "[range(51) | {key: tostring, value: 1}] | from_entries",
            "{}",
            "error: the query yields more than 50 keys",
        );
        check("{a: input}", "{}", "error: the query may not use input/0: {a: input}");
        check("{a: true}", "{}", "a=true");
        check(
            "{a: .a}",
            "{",
            "error: the record is not JSON: a key is missing at byte 1",
        );
        check(
            "{a: .a}",
            r#"{"a": 12345678901234567890123.50}"#,
            "a=12345678901234568000000",
        );
        check(
            "{a: (.a // error(\"none\"))}",
            "{}",
            r#"error: the query failed: "none""#,
        );
        // As in jq, alternatives of an object's value stand in parentheses.
        let bare = PartitionQuery::compile("{a: .x // 1}");
        assert!(bare.is_err_and(|error| error.to_string().contains(" does not parse before byte ")));
        check("{a: (.x // 1)}", "{}", "a=1");
        check("{a: (.a | fromjson | .b)}", r#"{"a": "{\"b\": 7}"}"#, "a=7");
        check("{a: 1}, {a: 2}", "{}", "a=1");
        check(
            "{a: .a}",
            r#"{"a": 1} {"a": 2}"#,
            "error: the record is not JSON: something follows the value at byte 9",
        );
    }

    #[test]
    fn what_queries_of_users_do() {
        let event = r#"{"t": "2021-07-05T06:07:08Z", "n": 1625465228, "user": {"id": "A-7"},
            "tags": [{"k": "x", "v": "1"}, {"k": "y", "v": "2"}]}"#;
        check("{year: .n | strftime(\"%Y\"), id: .user.id}", event, "year=2021 id=A-7");
        check(
            "{d: (.t | strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime | strftime(\"%d\"))}",
            event,
            "d=05",
        );
        check("{v: first(.tags[] | select(.k == \"y\") | .v)}", event, "v=2");
        check("{v: (.tags | map(select(.k == \"x\").v) | join(\"-\"))}", event, "v=1");
        check("{v: (.user.id | split(\"-\")[1] | tonumber * 10)}", event, "v=70");
        check(
            "{v: (.user.id | ascii_downcase | sub(\"(?<a>.)-\"; \"\\(.a)+\"))}",
            event,
            "v=a+7",
        );
        check("{v: (if .n > 5 then \"big\" else \"small\" end)}", event, "v=big");
        check("{v: (now | strftime(\"%FT%T\"))}", event, "v=2021-07-05T06:07:08");
    }
}
