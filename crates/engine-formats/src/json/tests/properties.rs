//! Random JSON, whole and damaged, beside serde_json.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::*;
use super::{decoder, rows};

/// Values of any kind, a few levels deep.
fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000..1000_i32).prop_map(|n| Value::from(f64::from(n) / 8.0)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number,
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((key(), inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,20}", "\\PC{0,12}", any::<String>()]
}

/// Mostly keys that the columns have.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-eA-E]", "\\PC{0,8}"]
}

/// JSON as producers write it: with blanks or without, and with escapes where there need not be any.
fn written(value: &Value, style: u64) -> String {
    let plain = if style & 1 == 0 {
        serde_json::to_string(value)
    } else {
        serde_json::to_string_pretty(value)
    };
    let plain = plain.expect("serializes");
    if style & 2 == 0 {
        return plain;
    }
    let escape = |c: char| match c {
        'a'..='d' | '\u{80}'.. => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
        c => c.to_string(),
    };
    // Only within strings, and never what is escaped already.
    let (mut quoted, mut escaped, mut out) = (false, false, String::new());
    for c in plain.chars() {
        if quoted && !escaped && c != '"' && c != '\\' {
            out.push_str(&escape(c));
        } else {
            out.push(c);
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    out
}

/// A text with some of its bytes removed, replaced or doubled.
fn damaged(text: &str, damage: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte) in damage {
        let place = place % (bytes.len() + 1);
        // Bytes of the grammar rather than just any.
        let signs = b"{}[]\",:\\ntfu0123456789eE+-. \n\x01\xc3\xff";
        let sign = signs[usize::from(*byte) % signs.len()];
        match kind % 4 {
            0 if place < bytes.len() => drop(bytes.remove(place)),
            1 if place < bytes.len() => bytes[place] = sign,
            2 => bytes.truncate(place),
            _ => bytes.insert(place, sign),
        }
    }
    bytes
}

fn is_json_for_serde(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// What the text is, where it is one value.
fn is_one_value(bytes: &[u8]) -> bool {
    is_json(bytes, 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_texts_are_json(value in value(), style in 0..4_u64, damage in prop::collection::vec(any::<(usize, u8, u8)>(), 0..4)) {
        let text = written(&value, style);
        prop_assert!(is_one_value(text.as_bytes()), "{text}");
        let bytes = damaged(&text, &damage);
        prop_assert_eq!(is_one_value(&bytes), is_json_for_serde(&bytes), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..24), text in "[\\[\\]{}\",:0-9eE.+\\-tfnu\\\\ ]{0,16}") {
        prop_assert_eq!(is_one_value(&bytes), is_json_for_serde(&bytes));
        prop_assert_eq!(is_one_value(text.as_bytes()), is_json_for_serde(text.as_bytes()), "{}", text);
    }

    #[test]
    fn numbers_are_what_the_standard_library_reads(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
        let mut decoder = decoder(&[("i", "bigint"), ("d", "double"), ("s", "string")], JsonOptions::default());
        let double = text.parse::<f64>().ok().filter(|value| value.is_finite());
        let pushed = decoder.push(format!(r#"{{"d": {text}, "s": {text}}}"#).as_bytes());
        prop_assert_eq!(pushed.is_ok(), double.is_some(), "{}", text);
        let whole = text.parse::<i64>().ok();
        if decoder.push(format!(r#"{{"i": {text}}}"#).as_bytes()).is_ok() {
            let batch = decoder.finish().expect("finishes");
            let found = batch.column(0).as_primitive::<Int64Type>().value(batch.num_rows() - 1);
            // A point or an exponent may write a whole number too.
            prop_assert!(whole.map_or(double == Some(found as f64), |whole| whole == found), "{}: {}", text, found);
            if double.is_some() {
                let bits = batch.column(1).as_primitive::<Float64Type>().value(0).to_bits();
                prop_assert_eq!(bits, double.unwrap_or_default().to_bits(), "{}", text);
                prop_assert_eq!(batch.column(2).as_string_view().value(0), text);
            }
        } else {
            prop_assert!(whole.is_none(), "{}", text);
        }
    }

    #[test]
    fn texts_are_what_serde_reads(text in text(), style in 0..4_u64, damage in prop::collection::vec(any::<(usize, u8, u8)>(), 0..2)) {
        let json = damaged(&written(&Value::String(text), style), &damage);
        let expected = std::str::from_utf8(&json).ok().and_then(|json| serde_json::from_str::<String>(json).ok());
        let mut decoder = decoder(&[("s", "string")], JsonOptions::default());
        let record = [&br#"{"s":"#[..], &json, b"}"].concat();
        let pushed = decoder.push(&record).is_ok();
        if let Some(expected) = expected {
            prop_assert!(pushed);
            let batch = decoder.finish().expect("finishes");
            prop_assert_eq!(batch.column(0).as_string_view().value(0), expected);
        }
    }

    #[test]
    fn columns_have_what_the_records_say(value in value(), style in 0..4_u64) {
        // Whatever a member is, a column of texts has it as it stands.
        let record = written(&Value::Object([("a".to_owned(), value)].into_iter().collect()), style);
        let members: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(&record).expect("an object");
        let raw = members["a"].get();
        let mut decoder = decoder(&[("a", "string")], JsonOptions::default());
        decoder.push(record.as_bytes()).expect("fits");
        let batch = decoder.finish().expect("finishes");
        let column = batch.column(0).as_string_view();
        match serde_json::from_str::<Value>(raw).expect("JSON") {
            Value::Null => prop_assert!(column.is_null(0)),
            Value::String(text) => prop_assert_eq!(column.value(0), text),
            Value::Number(_) | Value::Bool(_) => prop_assert_eq!(column.value(0), raw),
            nested => {
                let kept: Value = serde_json::from_str(column.value(0)).expect("JSON");
                prop_assert_eq!(kept, nested);
                prop_assert!(!column.value(0).contains('\n'));
            }
        }
    }

    /// A record that is refused leaves no trace, wherever in its nested columns it broke off.
    #[test]
    fn bad_records_leave_no_trace(
        records in prop::collection::vec((value(), value(), value(), 0..4_u64, prop::collection::vec(any::<(usize, u8, u8)>(), 0..3)), 1..12),
        hive in any::<bool>(),
    ) {
        let columns = [
            ("a", "struct<a:bigint,b:array<struct<a:string,b:double>>,c:map<string,array<int>>>"),
            ("b", "array<array<string>>"),
            ("c", "map<string,struct<a:decimal(10,2),b:boolean>>"),
            ("d", "string"),
            ("e", "timestamp"),
        ];
        let options = JsonOptions {
            coercion: if hive { Coercion::Hive } else { Coercion::OpenX },
            ..JsonOptions::default()
        };
        let records: Vec<Vec<u8>> = records
            .into_iter()
            .map(|(a, b, c, style, damage)| {
                let object = [("a", a), ("b", b), ("c", c)].map(|(name, value)| (name.to_owned(), value));
                damaged(&written(&Value::Object(object.into_iter().collect()), style), &damage)
            })
            .collect();
        let all: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let mut together = decoder(&columns, options.clone());
        let (batch, rejected) = together.decode(&all).expect("decodes");
        prop_assert_eq!(batch.num_rows() + rejected.len(), all.len());
        let bad: Vec<usize> = rejected.iter().map(|rejected| rejected.index).collect();
        let alone = all.iter().enumerate().filter(|(index, _)| !bad.contains(index)).flat_map(|(_, record)| {
            let mut decoder = decoder(&columns, options.clone());
            decoder.push(record).expect("good among others is good alone");
            rows(&decoder.finish().expect("finishes"))
        });
        prop_assert_eq!(rows(&batch), alone.collect::<Vec<_>>());
        for Rejected { index, malformed, message } in rejected {
            let is_json = is_json_for_serde(all[index]);
            // Half a character is no fault of the grammar.
            prop_assert!(malformed != is_json || message.contains("surrogate"), "{message}: {}", String::from_utf8_lossy(all[index]));
            prop_assert!(decoder(&columns, options.clone()).push(all[index]).is_err());
        }
    }
}
