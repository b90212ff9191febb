//! Random expressions of what jq 1.6 has. None runs for ever: what counts has small bounds.

use proptest::prelude::*;
use proptest::sample::select;

/// What takes no arguments.
const FUNCTIONS: &[&str] = &[
    "length",
    "utf8bytelength",
    "not",
    "keys",
    "keys_unsorted",
    "values",
    "type",
    "add",
    "any",
    "all",
    "flatten",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sqrt",
    "fabs",
    "tostring",
    "tonumber",
    "tojson",
    "fromjson",
    "ascii_downcase",
    "ascii_upcase",
    "explode",
    "reverse",
    "sort",
    "unique",
    "min",
    "max",
    "first",
    "last",
    "to_entries",
    "from_entries",
    "paths",
    "leaf_paths",
    "transpose",
    "tostream",
    "recurse",
    "numbers",
    "strings",
    "arrays",
    "objects",
    "iterables",
    "booleans",
    "nulls",
    "scalars",
    "isnan",
    "isinfinite",
    "isnormal",
    "infinite",
    "nan",
    "empty",
    "error",
    "todate",
    "fromdate",
    "gmtime",
    "mktime",
    "combinations",
    "@text",
    "@json",
    "@csv",
    "@tsv",
    "@html",
    "@uri",
    "@sh",
    "@base64",
    "@base64d",
];

/// What takes an expression.
const OF_ONE: &[&str] = &[
    "map",
    "select",
    "map_values",
    "sort_by",
    "group_by",
    "unique_by",
    "min_by",
    "max_by",
    "path",
    "paths",
    "del",
    "first",
    "last",
    "isempty",
    "any",
    "all",
    "with_entries",
    "walk",
    "has",
    "in",
    "inside",
    "contains",
    "startswith",
    "endswith",
    "ltrimstr",
    "rtrimstr",
    "split",
    "join",
    "index",
    "rindex",
    "indices",
    "flatten",
    "test",
    "capture",
    "scan",
    "splits",
    "nth",
    "getpath",
    "delpaths",
    "error",
    "strftime",
    "strptime",
    "fromstream",
    "bsearch",
    "INDEX",
    "IN",
    "format",
];

const OF_TWO: &[&str] = &[
    "sub", "gsub", "test", "pow", "setpath", "IN", "any", "all", "match", "split",
];

const OPERATORS: &[&str] = &[
    "+", "-", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//", ",", "|",
];

const ASSIGNMENTS: &[&str] = &["=", "|=", "+=", "-=", "//=", "/=", "%="];

fn leaf() -> impl Strategy<Value = String> {
    let path = select(
        &[
            ".",
            ".a",
            ".b",
            ".c",
            ".a.b",
            ".[0]",
            ".[-1]",
            ".[]",
            "..",
            "$v",
            ".a[]",
            ".[\"x-y\"]",
            ".b.c[1:]",
        ][..],
    );
    let optional = select(&[".a?", ".[]?", ".[0]?", ".a.b?", ".[1:]?", "..?"][..]);
    let literal = select(
        &[
            "0",
            "1",
            "-1",
            "2",
            "0.5",
            "1e3",
            "null",
            "true",
            "false",
            "\"\"",
            "\"a\"",
            "\"a,b\"",
            "\"%Y-%m-%d\"",
            "[]",
            "{}",
            "[1,2]",
            "[\"a\"]",
            "[0]",
            "{a:1}",
            "\"b\"",
            "\"g\"",
            "\",\"",
            "[[\"a\"],[0]]",
            "\"(?<n>a)|b\"",
        ][..],
    );
    prop_oneof![
        6 => path.prop_map(str::to_owned),
        1 => optional.prop_map(str::to_owned),
        3 => literal.prop_map(str::to_owned),
        4 => select(FUNCTIONS).prop_map(str::to_owned),
    ]
}

/// What expressions may use. Texts are not repeated so many times that revisions of jq 1.6 disagree.
pub(super) const DEFINITIONS: &str = "def small: if type == \"number\" and . > 1e6 then 3 else . end; . as $v | ";

/// An expression as it may stand behind [`DEFINITIONS`].
pub(super) fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 20, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner);
        prop_oneof![
            4 => (select(OF_ONE), one.clone()).prop_map(|(name, of)| call(name, &[&of])),
            2 => (select(OF_TWO), two.clone()).prop_map(|(name, (first, second))| call(name, &[&first, &second])),
            6 => (select(OPERATORS), two.clone()).prop_map(|(sign, (left, right))| format!("({left}) {sign} ({right})")),
            3 => (select(OPERATORS), two.clone()).prop_map(|(sign, (left, right))| format!("({left} {sign} {right})")),
            3 => (select(ASSIGNMENTS), two.clone()).prop_map(|(sign, (left, right))| format!("({left}) {sign} ({right})")),
            3 => two.clone().prop_map(|(left, right)| format!("({left} | {right})")),
            1 => two.clone().prop_map(|(left, right)| format!("({left} | small) * ({right} | small)")),
            1 => two.clone().prop_map(|(left, right)| format!("({left}) *= ({right} | small | numbers)")),
            2 => one.clone().prop_map(|of| format!("[{of}]")),
            1 => one.clone().prop_map(|of| format!("({of})?")),
            1 => one.clone().prop_map(|of| format!("-({of})")),
            1 => one.clone().prop_map(|of| format!("try ({of}) catch \"caught\"")),
            1 => two.clone().prop_map(|(tried, caught)| format!("try ({tried}) catch ({caught} | type)")),
            2 => three.clone().prop_map(|(of, then, or)| format!("if {of} then {then} else {or} end")),
            2 => two.clone().prop_map(|(key, value)| format!("{{a: ({key}), ({value} | tostring): 1}}")),
            1 => two.clone().prop_map(|(first, second)| format!("\"x\\({first})y\\({second})\"")),
            1 => one.clone().prop_map(|of| format!("@json \"v=\\({of})\"")),
            1 => two.clone().prop_map(|(of, key)| format!("({of})[{key}]")),
            1 => three.clone().prop_map(|(of, from, to)| format!("({of})[({from}):({to})]")),
            1 => two.clone().prop_map(|(of, body)| format!("(({of}) as $v | {body})")),
            1 => two.clone().prop_map(|(of, body)| format!("(({of}) as [$v, $w] | [$w, ({body})])")),
            1 => two.clone().prop_map(|(of, body)| format!("(({of}) as {{a: $v, $b}} | [$b, ({body})])")),
            1 => two.clone().prop_map(|(of, body)| format!("(({of}) as [$v] ?// $v | {body})")),
            1 => three.clone().prop_map(|(of, init, update)| format!("reduce ({of}) as $v ({init}; {update})")),
            1 => three.clone().prop_map(|(of, init, update)| format!("[foreach ({of}) as $v ({init}; {update})]")),
            1 => three.prop_map(|(of, init, update)| format!("[foreach ({of}) as [$v] (0; {init}; {update})]")),
            1 => (1..4, one.clone()).prop_map(|(count, of)| format!("limit({count}; {of})")),
            1 => (0..4, one.clone()).prop_map(|(count, of)| format!("[range({count}) | {of}]")),
            1 => one.clone().prop_map(|of| format!("(label $out | {of} | ., break $out)")),
            1 => one.clone().prop_map(|of| format!("(def f: {of}; [f, f])")),
            1 => two.clone().prop_map(|(body, of)| format!("(def f(g): {body} | g; f({of}))")),
            1 => two.prop_map(|(body, of)| format!("(def f($v): {body}; f({of}))")),
            1 => one.prop_map(|of| format!("[splits(\"a\"), ({of})]")),
        ]
    })
}

fn call(name: &str, arguments: &[&str]) -> String {
    format!("{name}({})", arguments.join("; "))
}
