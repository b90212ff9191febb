//! The decoder's tests.

mod coercions;
mod documents;
mod properties;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use engine_catalog::HiveType;

use super::*;
use crate::arrow_type;

fn decoder(columns: &[(&str, &str)], options: JsonOptions) -> JsonDecoder {
    let field =
        |(name, hive): &(&str, &str)| Field::new(*name, arrow_type(&hive.parse::<HiveType>().expect("a type")), true);
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

#[test]
fn keys_come_in_any_order_spelling_and_number() {
    let columns = [("a", "int"), ("b", "string"), ("c", "struct<d:int,e:int>")];
    let mut decoder = decoder(&columns, JsonOptions::default());
    let records = [
        r#"{"a": 1, "b": "x", "c": {"d": 1, "e": 2}}"#,
        r#"{"a": 1, "c": {"e": 2, "d": 1}, "b": "x"}"#,
        r#"{"c": {"x": [{"d": 9}], "d": 1, "e": 2}, "b": "x", "a": 1}"#,
        r#"{"a": 1, "foreign": {"a": 2}, "b": "x", "c": {"d": 1, "e": 2}}"#,
        r#"{"\u0061": 1, "A": 2, "a": 3, "B": "x", "b": 7, "C": {"D": 1, "d": 5, "E": 2}, "c": null}"#,
        r#"{ "a" : 1 , "b":"x","c"  :{"d":1 ,"e":2} }"#,
        r#"{"a":1,"b":"x","c":{"d":1,"e":2}}"#,
    ];
    let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    // Twice, so that each order follows each other.
    for _ in 0..2 {
        let (batch, rejected) = decoder.decode(&bytes).expect("decodes");
        assert_eq!(rejected, []);
        assert_eq!(rows(&batch), [r#"{"a":1,"b":"x","c":{"d":1,"e":2}}"#; 7]);
    }
    let (batch, _) = decoder
        .decode(&[br#"{"b": "y"}"#, br#"{"c": {}}"#, br#"{"c": {"e": 3}, "a": 4}"#])
        .expect("decodes");
    assert_eq!(rows(&batch), [r#"{"b":"y"}"#, r#"{"c":{}}"#, r#"{"a":4,"c":{"e":3}}"#]);
}

#[test]
fn objects_whose_keys_are_data_do_not_grow_the_decoder() {
    let mut decoder = decoder(&[("a", "int"), ("abcdefghij", "int")], JsonOptions::default());
    for n in 0..10_000 {
        let record = format!(r#"{{"key-{n}": 1, "a": {n}, "{}": 2}}"#, "long".repeat(100));
        decoder.push(record.as_bytes()).expect("a good record");
    }
    // And what has a thousand spellings.
    for n in 0..1 << 10 {
        let spelled = |(place, letter): (usize, char)| match n >> place & 1 {
            0 => letter.to_string(),
            _ => letter.to_ascii_uppercase().to_string(),
        };
        let key: String = "abcdefghij".chars().enumerate().map(spelled).collect();
        decoder
            .push(format!(r#"{{"{key}": {n}}}"#).as_bytes())
            .expect("a good record");
    }
    assert!(decoder.row.keys.spellings() < 1_000);
    let batch = decoder.finish().expect("finishes");
    assert_eq!(batch.num_rows(), 10_000 + (1 << 10));
    assert_eq!(
        (batch.column(0).null_count(), batch.column(1).null_count()),
        (1 << 10, 10_000)
    );
}

#[test]
fn what_is_refused_is_told_by_place_expectation_and_finding() {
    let columns = [
        ("a", "struct<b:int,c:array<struct<d:tinyint>>>"),
        ("m", "map<string,double>"),
        ("n", "map<int,string>"),
        ("t", "timestamp"),
        ("day", "date"),
        ("x", "decimal(4,2)"),
        ("flag", "boolean"),
    ];
    let long = format!(r#"{{"flag": "{}"}}"#, "x".repeat(100));
    let long_message = format!(
        r#"column flag (boolean): expected true or false, found a string "{}" and more"#,
        "x".repeat(60)
    );
    for (record, malformed, message) in [
        (
            r#"{"a": {"b": "x"}}"#,
            false,
            r#"column a.b (int): expected an integer, found a string "x""#,
        ),
        (
            r#"{"a": {"b": 3000000000}}"#,
            false,
            "column a.b (int): expected an integer from -2147483648 to 2147483647, found the number 3000000000",
        ),
        (
            r#"{"a": {"c": [{"d": 1}, {"d": 1.5}]}}"#,
            false,
            "column a.c[1].d (tinyint): expected an integer, found the number 1.5",
        ),
        (
            r#"{"a": 7}"#,
            false,
            "column a (struct<b:int,c:array<struct<d:tinyint>>>): expected an object, found the number 7",
        ),
        (
            r#"{"m": {"k": 1, "q\"": {}}}"#,
            false,
            r#"column m["q\""] (double): expected a number, found an object"#,
        ),
        (
            r#"{"n": {"k": "v"}}"#,
            false,
            r#"column n (int): expected an integer, found the key "k""#,
        ),
        (
            r#"{"t": "yesterday"}"#,
            false,
            r#"column t (timestamp): expected a timestamp such as 2013-01-31T05:00:00Z, found a string "yesterday""#,
        ),
        (
            r#"{"day": true}"#,
            false,
            "column day (date): expected a date such as 2013-01-31, found true",
        ),
        (
            r#"{"x": 12345.6}"#,
            false,
            "column x (decimal(4,2)): expected a number of at most 2 digits before the point, found the number 12345.6",
        ),
        (&long, false, &long_message),
        ("[{}]", false, "expected a JSON object, found an array"),
        ("7", false, "expected a JSON object, found the number 7"),
        ("null", false, "expected a JSON object, found null"),
        (
            r#"{"a": {"b": "3000000000"}}"#,
            false,
            r#"column a.b (int): expected an integer from -2147483648 to 2147483647, found a string "3000000000""#,
        ),
        ("notjson{", true, "expected true, false or null at byte 0"),
        ("trailing", true, "expected true, false or null at byte 0"),
        (
            r#"{"m": {"k": 1e400}}"#,
            false,
            r#"column m["k"] (double): expected a number from -1.7976931348623157e308 to 1.7976931348623157e308, found the number 1e400"#,
        ),
        (r#"{"a": }"#, true, "expected a value at byte 6"),
        (
            r#"{"a": {"b": 1}"#,
            true,
            "expected a comma or a closing brace, but the record ends",
        ),
        (
            r#"{"b": [1 2]}"#,
            true,
            "expected a comma or a closing bracket at byte 9",
        ),
        (r#"{"a" null}"#, true, "expected a colon at byte 5"),
        (r#"{a: null}"#, true, "expected a key in quotes at byte 1"),
        (r#"{"u": "x"#, true, "expected a closing quote, but the record ends"),
        (
            "{\"u\": \"\t\"}",
            true,
            "expected an escape for a control character at byte 7",
        ),
        (r#"{"u": "\x"}"#, true, "expected an escape that JSON has at byte 8"),
        (r#"{"u": "\u12"}"#, true, "expected four hexadecimal digits at byte 8"),
        (
            r#"{"u": 01}"#,
            true,
            "expected a number without leading zeros at byte 7",
        ),
        (r#"{"u": 1.}"#, true, "expected a digit at byte 8"),
        (r#"{"u": nul}"#, true, "expected true, false or null at byte 6"),
        (r#"{} {}"#, true, "expected nothing behind the object at byte 3"),
        (" ", true, "expected a value, but the record ends"),
        // The second fault makes it no JSON, and the first is told.
        (
            r#"{"a": 7, "b" }"#,
            true,
            "column a (struct<b:int,c:array<struct<d:tinyint>>>): expected an object, found the number 7",
        ),
    ] {
        let refusal = decoder(&columns, JsonOptions::default())
            .push(record.as_bytes())
            .expect_err("refused");
        assert_eq!(
            (refusal.message.as_str(), refusal.malformed),
            (message, malformed),
            "{record}"
        );
    }
    let mut decoder = decoder(&[("s", "string")], JsonOptions::default());
    for (record, message) in [
        (&b"{\"s\": \"\xff\"}"[..], "the record is not UTF-8 at byte 7"),
        (
            br#"{"s": "\ud800"}"#,
            "an escape stands for half a character (a lone surrogate)",
        ),
        (
            br#"{"s": "\udc00\ud800"}"#,
            "an escape stands for half a character (a lone surrogate)",
        ),
    ] {
        let refusal = decoder.push(record).expect_err("refused");
        assert_eq!((refusal.message.as_str(), refusal.malformed), (message, true));
    }
    // What nobody needs may be half a character.
    assert_eq!(decoder.push(br#"{"t": "\ud800", "s": "\ud83d\udeeb"}"#), Ok(()));
    assert_eq!(rows(&decoder.finish().expect("finishes")), [r#"{"s":"🛫"}"#]);
}

#[test]
fn values_nest_as_deeply_as_is_bounded() {
    let mut decoder = decoder(&[("s", "string")], JsonOptions::default());
    let nested = |depth: usize| format!(r#"{{"s": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(decoder.push(nested(1_000).as_bytes()), Ok(()));
    let refusal = decoder.push(nested(1_001).as_bytes()).expect_err("refused");
    assert_eq!(refusal.message, "expected values that nest less deeply at byte 1006");
    assert!(decoder.push(nested(1_000_000).as_bytes()).is_err());
    assert!(decoder.push("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn numbers_are_exact_or_refused() {
    let columns = [
        ("i", "bigint"),
        ("d", "double"),
        ("f", "float"),
        ("x", "decimal(38,2)"),
        ("t", "timestamp"),
    ];
    for (record, row) in [
        (
            r#"{"i": 9223372036854775807, "d": 0.1, "f": 16777217}"#,
            Some(r#"{"i":9223372036854775807,"d":0.1,"f":16777216.0}"#),
        ),
        (
            r#"{"i": -9223372036854775808, "d": -0.0}"#,
            Some(r#"{"i":-9223372036854775808,"d":-0.0}"#),
        ),
        (r#"{"i": 1e3, "d": 1e22}"#, Some(r#"{"i":1000,"d":1.0e22}"#)),
        (
            r#"{"i": 12.0, "d": 123456789012345678901234567890}"#,
            Some(r#"{"i":12,"d":1.2345678901234568e29}"#),
        ),
        (r#"{"d": 1e-400}"#, Some(r#"{"d":0.0}"#)),
        (
            r#"{"d": 2.2250738585072011e-308}"#,
            Some(r#"{"d":2.225073858507201e-308}"#),
        ),
        (r#"{"x": 1e2}"#, Some(r#"{"x":100.00}"#)),
        (r#"{"x": -0.5}"#, Some(r#"{"x":-0.50}"#)),
        (
            r#"{"x": 123456789012345678901234567890123456.78}"#,
            Some(r#"{"x":123456789012345678901234567890123456.78}"#),
        ),
        (r#"{"x": 1234567890123456789012345678901234567.8}"#, None),
        (r#"{"i": 9223372036854775808}"#, None),
        (r#"{"i": -9223372036854775809}"#, None),
        (r#"{"i": 1e19}"#, None),
        (r#"{"i": 1e-1}"#, None),
        (r#"{"d": 1e400}"#, None),
        (r#"{"f": 1e39}"#, None),
        (r#"{"x": 1e1000000000}"#, None),
        (r#"{"t": 1e1000000000}"#, None),
        (r#"{"t": 9223372036854775807}"#, None),
        (r#"{"i": NaN}"#, None),
        (r#"{"d": NaN}"#, None),
        (r#"{"d": Infinity}"#, None),
        (r#"{"d": +1}"#, None),
        (r#"{"d": .5}"#, None),
        (r#"{"d": 0x10}"#, None),
    ] {
        let mut decoder = decoder(&columns, JsonOptions::default());
        let pushed = decoder.push(record.as_bytes());
        assert_eq!(pushed.is_ok(), row.is_some(), "{record}: {pushed:?}");
        let rows = rows(&decoder.finish().expect("finishes"));
        assert_eq!(rows.first().map(String::as_str), row, "{record}");
    }
}
