//! What is a query and what is not.

use proptest::prelude::*;
use proptest::sample::select;

use super::generated::{check, check_alike};
use super::oracle::Jq;

const WORDS: &[&str] = &[
    ".", ".a", ".b", "..", "1", "2.5", "\"a\"", "\"x\\(", "\")", "$v", "$__loc__", "[", "]", "{", "}", "(", ")", ":",
    ";", ",", "|", "+", "-", "*", "/", "%", "==", "<", "=", "|=", "+=", "//", "//=", "?", "?//", "and", "or", "not",
    "if", "then", "elif", "else", "end", "try", "catch", "reduce", "foreach", "as", "def", "f", "f:", "label", "break",
    "$x", "a", "a:", "map(", "first", "@base64", "@json", "null", "true", "empty", ".[", ".[]", "[0]", "[1:]",
    "import", "#",
];

/// Words in any order, and some that are nearly a query.
fn words() -> impl Strategy<Value = String> {
    let soup = proptest::collection::vec(select(WORDS), 1..9).prop_map(|words| words.join(" "));
    let part = || proptest::collection::vec(select(WORDS), 1..4).prop_map(|words| words.join(" "));
    prop_oneof![
        4 => soup,
        1 => (part(), part()).prop_map(|(key, value)| format!("{{{key}: {value}}}")),
        1 => (part(), part()).prop_map(|(left, right)| format!("{left} as $x | {right}")),
        1 => (part(), part()).prop_map(|(of, body)| format!("reduce {of} as $x (0; {body})")),
        1 => (part(), part(), part()).prop_map(|(of, then, or)| format!("if {of} then {then} else {or} end")),
        1 => (part(), part()).prop_map(|(body, rest)| format!("def f: {body}; {rest}")),
        1 => (part(), part()).prop_map(|(body, rest)| format!("try {body} catch {rest}")),
        1 => (part(), part()).prop_map(|(left, right)| format!(". {left} . {right} .")),
        1 => part().prop_map(|of| format!("\"a\\({of})b\"")),
        1 => part().prop_map(|of| format!(".[{of}]")),
    ]
}

#[test]
fn random_words_are_queries_where_they_are_in_jq() {
    let Some(jq) = Jq::find() else { return };
    let document = || vec![r#"{"a": {"b": [1, "x"]}, "b": "y"}"#.to_owned()];
    let is_off = |words: &str| words.contains("import") && super::Query::compile(words).is_err();
    check(800, &words(), |words| {
        // What jq looks for on the disk is off.
        prop_assume!(!is_off(&words));
        check_alike(&jq, &[(words, document())])
    });
}
