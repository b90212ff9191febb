use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use engine_catalog::HiveType;

use super::*;
use crate::arrow_type;

fn decoder(columns: &[(&str, &str)], options: JsonOptions) -> JsonDecoder {
    let field = |(name, hive): &(&str, &str)| {
        Field::new(*name, arrow_type(&hive.parse::<HiveType>().expect("a type")), true)
    };
    JsonDecoder::new(
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())),
        options,
    )
}

fn rows(batch: &RecordBatch) -> Vec<String> {
    let mut text = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
    writer.write(batch).expect("writes");
    writer.finish().expect("finishes");
    drop(writer);
    String::from_utf8(text)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_bad_record_in_any_place_leaves_its_neighbours_whole() {
    let mut decoder = decoder(
        &[("a", "int"), ("b", "struct<c:string,d:array<double>>")],
        JsonOptions::default(),
    );
    let good = br#"{"A": 1, "b": {"C": "x", "d": [1, 2.5]}, "unknown": [{}]}"#;
    for (bad, malformed) in [
        (&br#"{"a": 1, "b": {"c": "x", "d": ["y"]}}"#[..], false),
        (br#"{"a": 1.5}"#, false),
        (br#"{"a": 3000000000}"#, false),
        (br#"[1]"#, false),
        (br#"{"a": 1, "b": {"c": "x", "d": [1"#, true),
        (b"", true),
        (b"{} {}", true),
        (b"\xff\xfe", true),
    ] {
        for place in 0..4 {
            let mut records = vec![&good[..]; 3];
            records.insert(place, bad);
            let (batch, rejected) = decoder.decode(&records).expect("decodes");
            assert_eq!(rows(&batch), vec![r#"{"a":1,"b":{"c":"x","d":[1.0,2.5]}}"#; 3]);
            assert_eq!(rejected.len(), 1);
            assert_eq!(
                (rejected[0].index, rejected[0].malformed),
                (place, malformed),
                "{rejected:?}"
            );
        }
    }
}

#[test]
fn keys_are_mapped_folded_and_undotted() {
    let options = JsonOptions {
        dots_to_underscores: true,
        column_to_key: HashMap::from([("ts".to_owned(), "timestamp".to_owned())]),
        ..JsonOptions::default()
    };
    let columns = [("ts", "bigint"), ("a_b", "string")];
    let (batch, rejected) = decoder(&columns, options)
        .decode(&[br#"{"TimeStamp": 5, "A.b": "x"}"#])
        .expect("decodes");
    assert_eq!(
        (rows(&batch), rejected.len()),
        (vec![r#"{"ts":5,"a_b":"x"}"#.to_owned()], 0)
    );
    let exact = JsonOptions {
        case_insensitive: false,
        ..JsonOptions::default()
    };
    let (batch, _) = decoder(&columns, exact)
        .decode(&[br#"{"TS": 5, "a_b": "x", "a_b": "y"}"#])
        .expect("decodes");
    assert_eq!(rows(&batch), [r#"{"a_b":"x"}"#]);
}

#[test]
fn each_type_is_read() {
    let mut decoder = decoder(
        &[
            ("b", "boolean"),
            ("t", "tinyint"),
            ("f", "float"),
            ("d", "decimal(10,2)"),
            ("s", "string"),
            ("day", "date"),
            ("at", "timestamp"),
            ("m", "map<string,int>"),
        ],
        JsonOptions::default(),
    );
    let record = br#"{"b": true, "t": -128, "f": 1.5, "d": "12.34", "s": {"k": [1]}, "day": "2013-01-01", "at": "2013-01-01T05:00:00Z", "m": {"x": 1, "y": null}}"#;
    let (batch, rejected) = decoder.decode(&[record, b"{}"]).expect("decodes");
    assert_eq!(rejected, []);
    assert_eq!(
        rows(&batch)[0],
        r#"{"b":true,"t":-128,"f":1.5,"d":12.34,"s":"{\"k\":[1]}","day":"2013-01-01","at":"2013-01-01T05:00:00","m":{"x":1}}"#
    );
    assert_eq!(rows(&batch)[1], "{}");
}

#[test]
fn times_far_off_and_dates_with_a_tail() {
    let mut decoder = decoder(&[("at", "timestamp"), ("day", "date")], JsonOptions::default());
    let good = br#"{"at": "0001-01-01 00:00:00", "day": "2013-01-31T05:00:00Z"}"#;
    let late = br#"{"at": "9999-12-31 23:59:59.999999", "day": "2013-01-31 05:00"}"#;
    let tail = br#"{"day": "2013-01-31garbage"}"#;
    let (batch, rejected) = decoder.decode(&[good, late, tail]).expect("decodes");
    assert_eq!(
        rows(&batch),
        [
            r#"{"at":"0001-01-01T00:00:00","day":"2013-01-31"}"#,
            r#"{"at":"9999-12-31T23:59:59.999999","day":"2013-01-31"}"#
        ]
    );
    assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [2]);
}

#[test]
fn numbers_keep_their_digits() {
    let mut decoder = decoder(&[("d", "decimal(38,10)"), ("s", "string")], JsonOptions::default());
    let number = br#"{"d": 1234567890123456789012345678.0123456789, "s": 12345678901234567890.10}"#;
    let nested = br#"{"d": "2.50", "s": {"z": [1.10, "a \" b"], "a": null}}"#;
    let quoted = br#"{"d": null, "s": "tab\tand \u00fc"}"#;
    let (batch, rejected) = decoder.decode(&[number, nested, quoted]).expect("decodes");
    assert_eq!(rejected, []);
    assert_eq!(
        rows(&batch),
        [
            r#"{"d":1234567890123456789012345678.0123456789,"s":"12345678901234567890.10"}"#,
            r#"{"d":2.5000000000,"s":"{\"z\":[1.10,\"a \\\" b\"],\"a\":null}"}"#,
            "{\"s\":\"tab\\tand ü\"}",
        ]
    );
}
