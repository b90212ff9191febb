//! Several objects in one record, and in one text.

use super::super::*;
use super::{decoder, rows};

#[test]
fn a_record_may_hold_several_objects() {
    let mut decoder = decoder(&[("a", "int"), ("b", "array<string>")], JsonOptions::default());
    let mut push = |record: &str| {
        decoder
            .push_documents(record.as_bytes())
            .map_err(|refusal| refusal.message)
    };
    assert_eq!(push(r#"{"a":1}{"a":2}"#), Ok(2));
    assert_eq!(push("{\"a\": 3, \"b\": [\"}{\"]}\n\n {\"a\":\n4}\r\n"), Ok(2));
    assert_eq!(push(r#"{"a":5}"#), Ok(1));
    let bad = r#"column b[1] (string): expected a text, found an object"#;
    let hive = JsonOptions {
        coercion: Coercion::Hive,
        ..JsonOptions::default()
    };
    // All of a record or nothing of it.
    assert_eq!(
        push(r#"{"a":6}{"a":7,"b":["x"]}[{"a":8}]"#),
        Err("expected a JSON object, found an array".to_owned())
    );
    assert_eq!(push(r#"{"a":6},{"a":7}"#), Err("expected a value at byte 7".to_owned()));
    assert!(push("").is_err() && push(" \n").is_err());
    assert_eq!(
        rows(&decoder.finish().expect("finishes")),
        [
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":3,"b":["}{"]}"#,
            r#"{"a":4}"#,
            r#"{"a":5}"#
        ]
    );
    let mut strict = super::decoder(&[("a", "int"), ("b", "array<string>")], hive);
    let refusal = strict
        .push_documents(br#"{"a":1,"b":["x"]}{"a":2,"b":["x",{}]}"#)
        .expect_err("refused");
    assert_eq!((refusal.message.as_str(), strict.rows()), (bad, 0));
}

#[test]
fn objects_are_cut_out_of_a_text() {
    let cut = |text: &'static str| -> (Vec<&str>, &str) {
        let mut documents = Documents::new(text.as_bytes());
        let found = documents
            .by_ref()
            .map(|document| std::str::from_utf8(document).expect("text"))
            .collect();
        (found, std::str::from_utf8(documents.rest()).expect("text"))
    };
    assert_eq!(
        cut(r#"{"a":1}{"b":{"c":"}"}} "#),
        (vec![r#"{"a":1}"#, r#"{"b":{"c":"}"}}"#], " ")
    );
    assert_eq!(
        cut("{\"a\":\"\\\"}\",\n\"b\":2}\n{}\n{\"half\":"),
        (vec!["{\"a\":\"\\\"}\",\n\"b\":2}", "{}"], "\n{\"half\":")
    );
    // What is no object is kept to its line.
    assert_eq!(
        cut("garbage } \"\n{\"a\":1} tail\n[{\"b\":1}]\n{\"c\":1}"),
        (
            vec!["garbage } \"", "{\"a\":1}", "tail", "[{\"b\":1}]", "{\"c\":1}"],
            ""
        )
    );
    assert_eq!(cut("no end"), (vec![], "no end"));
    assert_eq!(
        cut(r#"{"a":"\\"}{"b":"\\\""}"#),
        (vec![r#"{"a":"\\"}"#, r#"{"b":"\\\""}"#], "")
    );
    assert_eq!(cut(r#"{"a":"\"#), (vec![], r#"{"a":"\"#));
}
