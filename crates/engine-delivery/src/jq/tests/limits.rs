//! What would run for ever, take all memory or overflow the stack ends as an error of the record.

use std::process::Command;

use crate::jq::{Limits, Output, Query};

/// Half of what a thread of the server has at least.
const STACK_BYTES: usize = 1 << 20;

/// Few steps, so that what runs until they are over is over soon.
pub(super) const FEW_STEPS: Limits = Limits {
    steps: 300_000,
    bytes: 32 << 20,
};

/// Runs on a thread with little stack: what overflowed it would end the process and the test with it.
fn on_little_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(run).unwrap().join().unwrap()
}

pub(super) fn first(query: &str, record: &str, limits: Limits) -> Result<Option<Output>, String> {
    let (query, record) = (query.to_owned(), record.to_owned());
    on_little_stack(move || Query::compile(&query)?.first(record.as_bytes(), 0.0, limits))
}

#[track_caller]
fn check_ended(query: &str, record: &str) {
    let ended = first(query, record, FEW_STEPS).expect_err(query);
    assert!(ended.starts_with("the query was ended: "), "{query}: {ended}");
}

#[test]
fn what_runs_for_ever_ends() {
    for query in [
        "def f: f; f",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: {a: f}; f",
        "def f: f | f; f",
        "def f: f, f; f",
        "def f: empty, f; f",
        "def f: f // f; f",
        "def f: try f catch f; f",
        "def f: (try error(1) catch f); f",
        "def f: f?; f",
        "def f: .[f]; f",
        "def f: f as [$a] | $a; f",
        "def f: if f then 1 else 2 end; f",
        "def f: reduce f as $x (0; 1); f",
        "def f: path(f); f",
        "def f: \"\\(f)\"; f",
        "def f: . |= f; f",
        "def f(g): f(g | g); f(.)",
        "def f(g): g | f(g); f(.)",
        "def f($x): f($x + 1); f(0)",
        "def f: label $out | f; f",
        "def f: def g: f; g; f",
        "last(repeat(1))",
        "[repeat(1)] | length",
        "last(range(infinite))",
        "[range(1e9)] | length",
        "first(range(1e18) | select(. < 0))",
        "reduce range(1e18) as $i (0; . + 1)",
        "last(foreach range(1e18) as $i (0; . + 1))",
        "until(false; .)",
        "last(while(true; .))",
        "last(recurse(.))",
        "last(recurse(.; true))",
        "[limit(1e9; repeat(1))] | length",
        "last(limit(1e9; range(1e18)))",
        "nth(1e9; range(1e18))",
        "isempty(range(1e18) | select(false))",
        "any(range(1e18); false)",
        "all(range(1e18); true)",
        "first(range(0; 1e18; 1e-9) | select(. > 1))",
        "[range(100)] | [combinations(9)] | length",
        "[path(recurse(.[9]?))] | length",
        "last(path(def f: .[9] | f, .; f))",
        "label $out | try (def f: f; f) catch break $out",
        "[.[] | (def f: f; f)?]",
    ] {
        check_ended(query, "[1, 2]");
    }
}

#[test]
fn what_takes_all_memory_ends() {
    for query in [
        "\"x\" * 1e9",
        "\"x\" * 2147483646",
        "reduce range(1e9) as $i (\"x\"; . + .)",
        "reduce range(1e9) as $i ([1]; . + .)",
        "reduce range(1e9) as $i ({}; .[\"\\($i)\"] = 1)",
        "reduce range(64) as $i ([1]; [., .]) | tojson",
        "reduce range(64) as $i ([1]; [., .]) | flatten",
        "reduce range(64) as $i ([1]; [., .]) | [..] | length",
        "reduce range(64) as $i (1; {a: ., b: .}) | [paths] | length",
        "def f: reduce range(64) as $i ([1]; [., .]); f == f",
        "[reduce range(64) as $i ([1]; [., .]), reduce range(64) as $i ([1]; [., .])] | sort",
        "reduce range(64) as $i ([1]; [., .]) | . as $x | contains([$x])",
        "reduce range(64) as $i ([1]; [., .]) | [tostream]",
        "reduce range(64) as $i ([1]; [., .]) | walk(.)",
        "reduce range(64) as $i ([1]; [., .]) | @text",
        ".[1e9] = 1",
        ".[1e18] = 1",
        "setpath([1e9]; 1)",
        "[limit(1e8; repeat(\"x\" * 1000))] | add",
        "\"x\" * 1e6 | [splits(\"\")] | length",
        "\"x\" * 1e7 | explode",
        "\"x\" * 3e7 | @json \"\\(.)\\(.)\\(.)\"",
        "\"\\u0001\" * 3e7 | tojson",
        "\"x\" * 1e4 | gsub(\"\"; \"yy\")",
        "\"x\" * 1e5 | gsub(\"^\"; \"yy\")",
        "\"a\" * 1e5 | [match(\"(a)(a)?\"; \"g\")] | length",
        "\"a,\" * 1e7 | split(\",\")",
        "[range(1e5)] | [combinations(2)] | length",
        "[range(2e4) | {a: [.]}] | group_by(.a) | [., .] | tojson | fromjson | [.[], .[]] | tojson | length",
    ] {
        check_ended(query, "null");
    }
}

#[test]
fn what_a_pattern_takes_ends() {
    for query in [
        "\"a\" * 5000 | test(\"(a*)*b\")",
        "\"a\" * 5000 | test(\"(a+)+$b\")",
        "\"a\" * 5000 | test(\"(a|aa)+$b\")",
        "\"a\" * 5000 | test(\"(?:a?){5000}a{5000}\")",
        "\"a\" * 5000 | test(\"(.*)(.*)(.*)(.*)(.*)b\")",
        "\"a\" * 5000 | test(\"(?=(a+)+$)b|(?<n>a+)+$c\")",
        "last(range(1e6) | tostring | test(\"\\\\w{3}\" + .))",
    ] {
        let ended = first(query, "null", FEW_STEPS).expect_err(query);
        // What a pattern comes to has a bound of its own.
        let is_known = ["the query was ended: ", "the query failed: "]
            .iter()
            .any(|start| ended.starts_with(start));
        assert!(is_known, "{query}: {ended}");
    }
    // Groups in groups are read by calls.
    let deep = format!("\"a\" | test(\"{}a{}\")", "(".repeat(4_000), ")".repeat(4_000));
    assert!(first(&deep, "null", FEW_STEPS).is_err());
    let bracketed = format!("\"a\" | test(\"{}a{}\")", "(?:".repeat(90), ")".repeat(90));
    assert_eq!(first(&bracketed, "null", FEW_STEPS), Ok(Some(Output::Other)));
}

#[test]
fn depth_is_no_depth_of_the_stack() {
    check_ended("reduce range(1e5) as $i (0; [.])", "null");
    check_ended("reduce range(1e5) as $i (0; {a: .})", "null");
    check_ended("setpath([range(5e3) | \"a\"]; 1)", "null");
    check_ended("reduce range(1e4) as $i (null; .a |= [.])", "null");
    check_ended("reduce range(1e5) as $i ({}; {a: .} * .)", "null");
    let limits = Limits::default();
    // A chain of calls is as long as memory allows.
    let deep = "def f: if . > 1e4 then . else . + 1 | f | . + 1 end; 0 | f";
    assert_eq!(first(deep, "null", limits), Ok(Some(Output::Other)));
    for depth in [400, 499] {
        for made in ["[.]", "{a: .}"] {
            let nested = format!("reduce range({depth}) as $i (0; {made})");
            for what in [
                "tojson",
                "[.] | sort",
                "[..]",
                "[., .] | unique",
                ". == .",
                "contains(.)",
                "walk(.)",
                "flatten",
            ] {
                let query = format!("{nested} | {what} | length");
                let made = first(&query, "null", limits);
                let is_known = matches!(&made, Ok(Some(Output::Other)))
                    || made.as_ref().is_err_and(|error| error.starts_with("the query "));
                assert!(is_known, "{query}: {made:?}");
            }
        }
    }
    // Records and texts nest less.
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(first(".", &nested(100), limits).is_ok());
        let error = first(".", &nested(100_000), limits).expect_err("is refused");
        assert_eq!(error, "the record is not JSON: it is nested deeper than 256");
        let text = serde_json::to_string(&nested(100_000)).unwrap();
        assert!(first("fromjson", &text, limits).is_err());
    }
    assert!(first(".", &"[".repeat(1 << 20), limits).is_err());
}

#[test]
fn queries_that_are_too_deep_do_not_compile() {
    let compiles = |query: String| on_little_stack(move || Query::compile(&query).map(|_| ()));
    let too_deep = Err("is nested deeper than 100".to_owned());
    let many = |part: &str| part.repeat(10_000 / part.len());
    for part in [
        "(",
        "[",
        "{a:",
        ".[",
        "-",
        "def f: ",
        "if ",
        "try ",
        "\"\\(",
        "reduce (",
        "1 as $x | ",
        "f(",
        "1 // ",
    ] {
        assert_eq!(compiles(many(part)), too_deep, "{part}");
    }
    for part in ["[", "{a:"] {
        assert_eq!(compiles(format!(". as {}", many(part))), too_deep, "{part}");
    }
    // What stands beside each other is not deep.
    for (start, part, end) in [
        ("", ".|", "."),
        ("", ".,", "."),
        ("", "1+", "1"),
        ("", "1*", "1"),
        ("", ".a", ""),
        (".", "[0]", ""),
        (".", "?", ""),
        ("", "def f:1;", "f"),
    ] {
        let query = format!("{start}{}{end}", many(part));
        assert_eq!(compiles(query.clone()), Ok(()), "{part}");
        assert!(first(&query, "null", Limits::default()).is_ok(), "{part}");
    }
    let nested = format!("{}.a{}", "(".repeat(90), ")".repeat(90));
    assert_eq!(first(&nested, "{}", Limits::default()), Ok(Some(Output::Other)));
}

#[test]
fn what_reaches_beyond_the_record_is_off() {
    for name in [
        "input",
        "inputs",
        "debug",
        "stderr",
        "input_filename",
        "input_line_number",
        "halt",
        "halt_error",
        "halt_error(1)",
        "get_search_list",
        "modulemeta",
        "builtins",
    ] {
        let plain = name.trim_end_matches("(1)");
        let expected = format!("may not use {plain}/{}", usize::from(plain != name));
        assert_eq!(Query::compile(name).err(), Some(expected));
    }
    for directive in ["import \"a\" as a; 1", "include \"a\"; 1", "module {}; 1"] {
        let refused = Query::compile(directive).err().unwrap();
        assert!(refused.starts_with("may not use "), "{refused}");
    }
    let expected = vec![
        ("a".to_owned(), crate::jq::Field::Text("0".to_owned())),
        ("b".to_owned(), crate::jq::Field::Text("{}".to_owned())),
    ];
    let environment = "{a: (env | length), b: ($ENV | tojson)}";
    assert_eq!(
        first(environment, "null", Limits::default()),
        Ok(Some(Output::Object(expected)))
    );
    let now = "{a: (now | todate), b: (now | localtime | mktime)}";
    let then = Query::compile(now)
        .unwrap()
        .first(b"null", 1_625_465_228.5, Limits::default())
        .unwrap();
    let text = |text: &str| crate::jq::Field::Text(text.to_owned());
    let expected = vec![
        ("a".to_owned(), text("2021-07-05T06:07:08Z")),
        ("b".to_owned(), text("1625465228")),
    ];
    assert_eq!(then, Some(Output::Object(expected)));
}

#[test]
fn a_query_that_was_ended_runs_again() {
    let query = Query::compile("{a: (if .loop then last(repeat(1)) else .a | test(\"x+\") end)}").unwrap();
    let limits = FEW_STEPS;
    for _ in 0..3 {
        assert!(query.first(br#"{"loop": true}"#, 0.0, limits).is_err());
        let made = query.first(br#"{"a": "xx"}"#, 0.0, limits).unwrap();
        let expected = vec![("a".to_owned(), crate::jq::Field::Text("true".to_owned()))];
        assert_eq!(made, Some(Output::Object(expected)));
    }
}

/// What of memory was taken at most is told of a process as a whole, so this one is another.
#[test]
fn memory_has_a_bound() {
    if !std::path::Path::new("/proc/self/status").exists() {
        eprintln!("skipped: only Linux tells what memory was taken");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let alone = ["--exact", "jq::tests::limits::bombs_alone", "--ignored", "--nocapture"];
    let output = Command::new(test).args(alone).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "for a process of its own"]
fn bombs_alone() {
    let peak_bytes = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    };
    let before = peak_bytes();
    let limits = Limits::default();
    for query in [
        "[range(1e9)] | length",
        "\"x\" * 1e9",
        "reduce range(1e9) as $i (\"x\"; . + .)",
        "reduce range(1e9) as $i ([1]; . + .)",
        "reduce range(64) as $i ([1]; [., .]) | tojson",
        "reduce range(1e9) as $i ({}; .[\"\\($i)\"] = [$i])",
        "[recurse([.])] | length",
        "def f: 1 + f; f",
        "def f(g): f(g | g); f(.)",
        "[limit(1e9; repeat(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" + \"y\"))]",
        "\"ab\" * 4e6 | [match(\"(a)(b)\"; \"g\")]",
        "last(path(def f: .a | f, .; f))",
    ] {
        first(query, "null", limits).expect_err(query);
    }
    let taken = peak_bytes() - before;
    assert!(taken < 4 * limits.bytes, "{taken} bytes");
}
