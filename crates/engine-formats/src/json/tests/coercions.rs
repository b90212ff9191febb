//! What the two SerDes make of values that are not of their column's type.
//!
//! Source: what the service answered when it was asked, in floci-io/floci, pull requests 3333 and 3521.

use std::collections::HashMap;

use super::super::*;
use super::{decoder, rows};

const COLUMNS: [(&str, &str); 5] = [
    ("id", "string"),
    ("tags", "array<string>"),
    ("person", "struct<name:string,age:int>"),
    ("items", "array<struct<sku:string,qty:int>>"),
    ("attrs", "map<string,array<string>>"),
];

fn open_x(case_insensitive: bool) -> JsonOptions {
    JsonOptions {
        case_insensitive,
        lowercase_keys: case_insensitive,
        ..JsonOptions::default()
    }
}

fn hive(formats: &[&str]) -> JsonOptions {
    JsonOptions {
        coercion: Coercion::Hive,
        timestamp_formats: formats.iter().map(|format| format.parse().expect("a format")).collect(),
        ..JsonOptions::default()
    }
}

fn one(columns: &[(&str, &str)], options: &JsonOptions, record: &str) -> Result<String, String> {
    let mut decoder = decoder(columns, options.clone());
    decoder.push(record.as_bytes()).map_err(|refusal| refusal.message)?;
    Ok(rows(&decoder.finish().expect("finishes")).remove(0))
}

#[test]
fn open_x_takes_what_comes() {
    for (record, row) in [
        (
            r#"{"tags": "solo", "items": {"sku": "x", "qty": 1}}"#,
            r#"{"tags":["solo"],"items":[{"sku":"x","qty":1}]}"#,
        ),
        (r#"{"tags": 1.50}"#, r#"{"tags":["1.50"]}"#),
        (r#"{"tags": [1, true, null]}"#, r#"{"tags":["1","true",null]}"#),
        (r#"{"tags": false}"#, r#"{"tags":["false"]}"#),
        (
            r#"{"person": ["Zoe", 9, "ignored"]}"#,
            r#"{"person":{"name":"Zoe","age":9}}"#,
        ),
        (r#"{"person": ["Zoe"]}"#, r#"{"person":{"name":"Zoe"}}"#),
        (
            r#"{"PERSON": {"NAME": "Bob", "AGE": "41"}}"#,
            r#"{"person":{"name":"Bob","age":41}}"#,
        ),
        (
            r#"{"attrs": {"MixedKey": ["v"], "k": "w"}}"#,
            r#"{"attrs":{"mixedkey":["v"],"k":["w"]}}"#,
        ),
        (
            r#"{"person": {}, "tags": [], "attrs": {}}"#,
            r#"{"tags":[],"person":{},"attrs":{}}"#,
        ),
        (
            r#"{"items": [null], "attrs": {"k": null}}"#,
            r#"{"items":[null],"attrs":{}}"#,
        ),
        (
            r#"{"id": {"Outer": {"Inner": "A: B", "\"X\"" : 1}}, "tags": [{"MixedKey": 1}]}"#,
            r#"{"id":"{\"outer\":{\"inner\":\"A: B\",\"\\\"x\\\"\":1}}","tags":["{\"mixedkey\":1}"]}"#,
        ),
        (r#"{"tags": [["a", "b"]]}"#, r#"{"tags":["[\"a\",\"b\"]"]}"#),
        (
            r#"{"id": "x", "tags": "", "person": " ", "attrs": ""}"#,
            r#"{"id":"x"}"#,
        ),
    ] {
        assert_eq!(one(&COLUMNS, &open_x(true), record).as_deref(), Ok(row), "{record}");
    }
    for record in [
        r#"{"person": 42}"#,
        r#"{"attrs": [["k", ["v"]]]}"#,
        r#"{"items": [{"qty": "oops"}]}"#,
    ] {
        assert!(one(&COLUMNS, &open_x(true), record).is_err(), "{record}");
    }
}

#[test]
fn open_x_minds_case_when_told() {
    let record =
        r#"{"id": {"A": 1}, "Tags": ["x"], "person": {"NAME": "Bob", "age": 2}, "attrs": {"MixedKey": ["v"]}}"#;
    let row = r#"{"id":"{\"A\":1}","person":{"age":2},"attrs":{"MixedKey":["v"]}}"#;
    assert_eq!(one(&COLUMNS, &open_x(false), record).as_deref(), Ok(row));
}

#[test]
fn mappings_and_dots_reach_into_structures() {
    let options = JsonOptions {
        dots_to_underscores: true,
        column_to_key: HashMap::from([("ts".to_owned(), "timestamp".to_owned())]),
        ..open_x(true)
    };
    let columns = [("ts", "int"), ("s", "struct<ts:int,a_b:int>")];
    for (record, row) in [
        (r#"{"Timestamp": 1, "ts": 2}"#, r#"{"ts":1}"#),
        (r#"{"s": {"timestamp": 1, "A.B": 2}}"#, r#"{"s":{"ts":1,"a_b":2}}"#),
        (r#"{"s": {"ts": 1, "a_b": 2}}"#, r#"{"s":{"ts":1,"a_b":2}}"#),
    ] {
        assert_eq!(one(&columns, &options, record).as_deref(), Ok(row), "{record}");
    }
}

#[test]
fn hive_takes_less() {
    let options = hive(&[]);
    for (record, row) in [
        (
            r#"{"tags": [1, 2.50, true], "person": {"name": "Dan", "extra": 1}, "items": [{"sku": "s", "qty": 2}]}"#,
            r#"{"tags":["1","2.50","true"],"person":{"name":"Dan"},"items":[{"sku":"s","qty":2}]}"#,
        ),
        (
            r#"{"person": {}, "tags": ["a", null]}"#,
            r#"{"tags":["a",null],"person":{}}"#,
        ),
        (
            r#"{"ATTRS": {"MixedKey": ["v"]}, "PERSON": {"NAME": "Bob", "AGE": 2}}"#,
            r#"{"person":{"name":"Bob","age":2},"attrs":{"MixedKey":["v"]}}"#,
        ),
    ] {
        assert_eq!(one(&COLUMNS, &options, record).as_deref(), Ok(row), "{record}");
    }
    for record in [
        r#"{"tags": "solo"}"#,
        r#"{"tags": ""}"#,
        r#"{"items": {"sku": "x", "qty": 1}}"#,
        r#"{"attrs": {"k": "notanarray"}}"#,
        r#"{"person": ["Bob", 41]}"#,
        r#"{"person": 42}"#,
        r#"{"person": {"age": "7"}}"#,
        r#"{"id": {"nested": 1}}"#,
        r#"{"tags": [{"MixedKey": 1}]}"#,
    ] {
        assert!(one(&COLUMNS, &options, record).is_err(), "{record}");
    }
}

#[test]
fn timestamps_of_open_x() {
    for (value, at) in [
        ("1518033528", Some("2018-02-07T19:58:48")),
        ("1518033528123", Some("2018-02-07T19:58:48.123")),
        ("1000000000000", Some("2001-09-09T01:46:40")),
        ("1518033528.123", Some("2018-02-07T19:58:48.123")),
        ("0", Some("1970-01-01T00:00:00")),
        ("-1000", Some("1969-12-31T23:43:20")),
        (r#""1518033528""#, Some("2018-02-07T19:58:48")),
        (r#""1518033528123""#, Some("2018-02-07T19:58:48.123")),
        (r#""1518033528.123""#, Some("2018-02-07T19:58:48.123")),
        (r#""2026-09-07 12:00:02""#, Some("2026-09-07T12:00:02")),
        (r#""2026-9-7 12:00:02""#, Some("2026-09-07T12:00:02")),
        (r#""2026-09-07 1:2:3""#, Some("2026-09-07T01:02:03")),
        (r#""2026-9-7 12:00:02.5""#, Some("2026-09-07T12:00:02.500")),
        (r#""2018-02-07T20:38:48Z""#, Some("2018-02-07T20:38:48")),
        (r#""2017-02-07T15:13:01.39256Z""#, Some("2017-02-07T15:13:01.392560")),
        (
            r#""2017-02-07T15:13:01.123456789Z""#,
            Some("2017-02-07T15:13:01.123456"),
        ),
        (r#""2017-02-07T15:13:01+02:00""#, Some("2017-02-07T13:13:01")),
        (r#""2000-02-29T00:00:00Z""#, Some("2000-02-29T00:00:00")),
        (r#""1900-02-29T00:00:00Z""#, None),
        (r#""2026-9-7T12:00:02Z""#, None),
        (r#""2026-09-07T24:00:00Z""#, None),
        (r#""2026-13-07T12:00:00Z""#, None),
        (r#""yesterday""#, None),
        (r#""NaN""#, None),
        (r#""1e400""#, None),
        ("1e300", None),
        ("true", None),
    ] {
        let found = one(&[("ts", "timestamp")], &open_x(true), &format!(r#"{{"ts": {value}}}"#));
        let expected = at.map(|at| format!(r#"{{"ts":"{at}"}}"#));
        assert_eq!(found.ok(), expected, "{value}");
    }
    for (value, day) in [
        (r#""2026-09-07""#, Some("2026-09-07")),
        (r#""2026-9-7""#, Some("2026-09-07")),
        (r#""2026-02-30""#, None),
        ("5", None),
    ] {
        let found = one(&[("d", "date")], &open_x(true), &format!(r#"{{"d": {value}}}"#));
        assert_eq!(found.ok(), day.map(|day| format!(r#"{{"d":"{day}"}}"#)), "{value}");
    }
}

#[test]
fn timestamps_of_hive() {
    for (formats, value, at) in [
        (&[][..], r#""2013-01-31 05:00:00.25""#, Some("2013-01-31T05:00:00.250")),
        (&[], r#""2013-1-3 5:0:0""#, Some("2013-01-03T05:00:00")),
        (&[], r#""2013-01-31T05:00:00Z""#, None),
        (&[], "1518033528", None),
        (&["millis"], "1518033528123", Some("2018-02-07T19:58:48.123")),
        (
            &["millis"],
            r#""1518033528123.456789""#,
            Some("2018-02-07T19:58:48.123456"),
        ),
        (&["millis"], r#""2013-01-31 05:00:00""#, Some("2013-01-31T05:00:00")),
        (
            &["dd/MM/yyyy", "yyyy-MM-dd'T'HH:mm:ssZZ"],
            r#""31/01/2013""#,
            Some("2013-01-31T00:00:00"),
        ),
        (
            &["dd/MM/yyyy", "yyyy-MM-dd'T'HH:mm:ssZZ"],
            r#""2013-01-31T05:00:00+01:00""#,
            Some("2013-01-31T04:00:00"),
        ),
        (&["dd/MM/yyyy"], r#""31/01/2013 or so""#, None),
    ] {
        let found = one(&[("ts", "timestamp")], &hive(formats), &format!(r#"{{"ts": {value}}}"#));
        assert_eq!(
            found.ok(),
            at.map(|at| format!(r#"{{"ts":"{at}"}}"#)),
            "{formats:?} {value}"
        );
    }
    let days = |formats: &[&str], value: &str| one(&[("d", "date")], &hive(formats), &format!(r#"{{"d": {value}}}"#));
    assert_eq!(days(&[], r#""2013-1-31""#).as_deref(), Ok(r#"{"d":"2013-01-31"}"#));
    assert_eq!(
        days(&["dd.MM.yyyy"], r#""31.1.2013""#).as_deref(),
        Ok(r#"{"d":"2013-01-31"}"#)
    );
    assert_eq!(
        days(&["dd.MM.yyyy", "millis"], r#""soon""#),
        Err(r#"column d (date): expected a time in the format dd.MM.yyyy or millis, found a string "soon""#.to_owned())
    );
}
