//! Random documents.

use proptest::prelude::*;

/// Texts that mean something to some function or other.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "A-b_c",
    "a,b, c",
    "1",
    " -1.50 ",
    "1e3x",
    "null",
    "[1,{\"a\":2}]",
    "aaa bab",
    "2015-03-05T23:51:47Z",
    "2021-07-05",
    "caf\u{e9} \u{1f600}",
    "\\u00e9\\n",
    "<&'\\\">",
    "YWJj",
    "x y\tz",
    "%Y/%m",
];

/// Numbers as they may be written.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "1.0",
    "0.5",
    "-1.5",
    "2.75",
    "1e3",
    "-0",
    "1425599621",
    "1425599621.678",
    "9007199254740993",
    "123456789012345678901",
    "1e17",
    "1e-5",
    "1.5e300",
    "1e1000",
    "100000000000000000000",
];

pub(super) const KEYS: &[&str] = &["a", "b", "c", "x-y", "key", "value", "name", ""];

pub(super) fn text() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(TEXTS).prop_map(|text| serde_json::to_string(text).unwrap());
    let any = "[ -~\u{e0}-\u{ff}]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap());
    prop_oneof![4 => known, 1 => any]
}

pub(super) fn number() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(NUMBERS).prop_map(str::to_owned);
    let any = any::<f64>().prop_filter("JSON has no others", |number| number.is_finite());
    prop_oneof![
        6 => known,
        1 => (-100_i32..100).prop_map(|number| number.to_string()),
        1 => any.prop_map(|number| format!("{number:e}")),
    ]
}

pub(super) fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        1 => Just("null".to_owned()),
        1 => proptest::bool::ANY.prop_map(|value| value.to_string()),
        2 => number(),
        2 => text(),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        let key = proptest::sample::select(KEYS);
        let entry =
            (key, inner.clone()).prop_map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap()));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(entry, 0..4).prop_map(|entries| format!("{{{}}}", entries.join(","))),
        ]
    })
}
