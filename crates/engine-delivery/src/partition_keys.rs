//! Partition keys out of records, by a JQ query that yields an object: `{carrier: .carrier, month: .month}`.

use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Compiler, Ctx, Vars, data};
use jaq_json::{Val, read};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::query_limits;

/// A query may be so long.
const QUERY_BYTES_MAX: usize = 10_000;
/// The parser calls itself for every bracket and every sign; this is enough for a query of nothing else.
const PARSER_STACK_BYTES: usize = 256 << 20;
/// What a record may yield; the service documents 50 keys.
const KEYS_MAX: usize = 50;
/// Arrays and objects within each other in a record, as most readers of JSON have it.
const RECORD_NESTING_MAX: usize = 128;
/// What is told of a record that fails is cut here.
const REASON_BYTES_MAX: usize = 1024;

type Data = data::JustLut<Val>;
type Filter = jaq_core::compile::Filter<jaq_core::Native<Data>>;

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
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new()
                .name("query-parser".into())
                .stack_size(PARSER_STACK_BYTES);
            let parser = builder.spawn_scoped(scope, || compile(query));
            let parser = parser.map_err(|error| InvalidQuery(format!("the query cannot be read now: {error}")))?;
            let died = |_| Err(InvalidQuery("the query cannot be read".to_owned()));
            parser.join().unwrap_or_else(died)
        })
        .map(|filter| Self { filter })
    }

    /// The partition keys of a record, or why there are none, as text. The record must be one JSON value.
    pub fn keys(&self, record: &[u8]) -> Result<Vec<(String, String)>, String> {
        self.extract(record).map_err(|mut reason| {
            // A reason may quote the record.
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            reason
        })
    }

    fn extract(&self, record: &[u8]) -> Result<Vec<(String, String)>, String> {
        let input = parse_json(record).map_err(|error| format!("the record is not JSON: {error}"))?;
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        let output = match self.filter.id.run((context, input)).next() {
            Some(Ok(output)) => output,
            Some(Err(end)) => {
                return Err(match end.get_err() {
                    Ok(error) => format!("the query failed: {error}"),
                    Err(_) => "the query halted".to_owned(),
                });
            }
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

fn compile(query: &str) -> Result<Filter, InvalidQuery> {
    let unparsable = || InvalidQuery(format!("the query does not parse: {query}"));
    let parsed = parse(query, |parser| parser.term()).ok_or_else(unparsable)?;
    query_limits::check(&parsed).map_err(|reason| InvalidQuery(format!("the query {reason}: {query}")))?;
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    // The library's own does not end before the stack does.
    let funs = funs.filter(|(name, ..)| *name != "fromjson").chain([from_json()]);
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(&arena, File { code: query, path: () })
        .map_err(|_| unparsable())?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let names: Vec<_> = errors
            .iter()
            .flat_map(|(_, undefined)| undefined)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        InvalidQuery(format!("the query names what is not defined: {}", names.join(", ")))
    })
}

fn from_json() -> Fun<Data> {
    run(("fromjson", v(0), |cv| {
        let text = cv.1.try_as_utf8_bytes_owned();
        bome(text.and_then(|text| parse_json(&text).map_err(jaq_core::Error::str)))
    }))
}

/// Reads one JSON value. The parser calls itself for every bracket, so their depth is looked at first.
fn parse_json(text: &[u8]) -> Result<Val, String> {
    // Strict JSON: with the extensions that the parser knows the brackets could not be told from text.
    let mut strict = serde_json::Deserializer::from_slice(text);
    IgnoredAny::deserialize(&mut strict)
        .and_then(|_| strict.end())
        .map_err(|error| error.to_string())?;
    if nesting(text) > RECORD_NESTING_MAX {
        return Err(format!("it is nested deeper than {RECORD_NESTING_MAX}"));
    }
    read::parse_single(text).map_err(|error| error.to_string())
}

/// How deep the brackets of a JSON text go.
fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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
        check("{a: nope}", "{}", "error: the query may not use nope/0: {a: nope}");
        check("{a: true}", "{}", "a=true");
        check(
            "{a: .a}",
            "{",
            "error: the record is not JSON: EOF while parsing an object at line 1 column 1",
        );
        check(
            "{a: .a}",
            r#"{"a": 12345678901234567890123.50}"#,
            "a=12345678901234567890123.50",
        );
        check(
            "{a: (.a // error(\"none\"))}",
            "{}",
            r#"error: the query failed: "none""#,
        );
        check("{a: (.a | fromjson.b)}", r#"{"a": "{\"b\": 7}"}"#, "a=7");
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
    }

    #[track_caller]
    fn check_refused(query: &str, expect: &str) {
        let refused = PartitionQuery::compile(query).err().map(|error| error.to_string());
        assert_eq!(refused, Some(format!("the query {expect}: {query}")));
    }

    #[test]
    fn what_could_end_the_process_or_go_on_for_ever_is_refused() {
        check_refused("{a: (.a // halt)}", "may not use halt/0");
        check_refused("{a: halt(1)}", "may not use halt/1");
        check_refused("{a: halt_error}", "may not use halt_error/0");
        check_refused("{a: env.CATCHMENT_ACCESS_KEYS}", "may not use env/0");
        check_refused("{a: $ENV.PATH}", "may not use $ENV");
        check_refused("{a: now}", "may not use now/0");
        check_refused("{a: (0 | localtime)}", "may not use localtime/0");
        check_refused("{a: (.n | strflocaltime(\"%Y\"))}", "may not use strflocaltime/1");
        check_refused("{a: debug}", "may not use debug/0");
        check_refused("{a: input}", "may not use input/0");
        check_refused("{a: ([range(1e10)] | length)}", "may not use range/1");
        check_refused("{a: last(repeat(1))}", "may not use repeat/1");
        check_refused("{a: [limit(3; .a)]}", "may not use limit/2");
        check_refused("{a: [..]}", "may not use ..");
        check_refused("def f: f; {a: f}", "may not use def");
        check_refused("{a: reduce .a[] as $x (0; . + $x)}", "may not use reduce");
        check_refused("{a: (.a as $x | $x)}", "may not use as");
        check_refused("{a: (.a * .b)}", "may multiply by a number that stands in it only");
        let growing = "may make more of a record than this server bears";
        check_refused("{a: (\"x\" * 1e9)}", growing);
        check_refused(&format!("{{a: (.a{})}}", " | . + .".repeat(30)), growing);
        check_refused(&format!("{{a: first(.a{})}}", " | (., .)".repeat(30)), growing);
        check_refused(&format!("{{a: (.a{} | tojson)}}", " | [., .]".repeat(30)), growing);
        check_refused(
            "{a: .a[], b: .b[]}",
            "must gather what may be many values with [..] or first(..) before it goes on with them",
        );
        check_refused(
            "{a: (.a | split(.b))}",
            "may give split only what stands in the query itself",
        );
    }

    #[test]
    fn depth_is_an_error_of_the_query_or_the_record() {
        let check_deep = |query: String| {
            let refused = PartitionQuery::compile(&query).err().expect("is refused").to_string();
            assert!(refused.starts_with("the query "), "{refused}");
        };
        // What the parser leaves out of its result costs nothing later.
        let bracketed = format!("{}.a{}", "(".repeat(4_999), ")".repeat(4_999));
        assert!(PartitionQuery::compile(&bracketed).is_ok());
        check_deep(format!("{}1", "-".repeat(9_999)));
        check_deep(format!("{}.", ".|".repeat(4_999)));
        check_deep("[".repeat(10_000));
        let query = PartitionQuery::compile("{a: .a, b: (.b | fromjson)}").expect("compiles");
        let deep = "[".repeat(1_000 << 10);
        assert!(query.keys(deep.as_bytes()).is_err());
        let closed = format!("{}{}", "[".repeat(500 << 10), "]".repeat(500 << 10));
        let record = format!(r#"{{"a": {closed}, "b": "1"}}"#);
        let too_deep = Err("the record is not JSON: it is nested deeper than 128".to_owned());
        assert_eq!(query.keys(record.as_bytes()), too_deep);
        let record = format!(r#"{{"a": "1", "b": "{closed}"}}"#);
        let reason = query.keys(record.as_bytes()).expect_err("is refused");
        assert_eq!(reason, r#"the query failed: "it is nested deeper than 128""#);
        // Brackets in text are no depth.
        let record = format!(r#"{{"a": "\"{}", "b": "7"}}"#, "[".repeat(1_000));
        assert!(query.keys(record.as_bytes()).is_ok());
    }
}
