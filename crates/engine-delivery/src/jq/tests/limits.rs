//! What would run for ever, take all memory or overflow the stack ends as an error of the record.

use std::process::Command;

use crate::jq::{Context, Limits, Machine, Meter, Output, Query, Value, natives::Compiled, read, write};

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

/// The steps to all outputs of a query, or to its error.
#[track_caller]
fn steps(query: &str, record: &str) -> u64 {
    let limits = Limits {
        steps: 100_000_000,
        bytes: 256 << 20,
    };
    let compiled = Query::compile(query).expect(query);
    let mut meter = Meter::start(limits);
    let input = read::one_value(record.as_bytes(), &mut meter).unwrap();
    let before = meter.steps_left();
    let mut context = Context::new(meter, 0.0, Compiled::default());
    let mut machine = Machine::new(&compiled.program, &mut context);
    let mut next = machine.first_output(input);
    while let Ok(Some(_)) = next {
        next = machine.next_output();
    }
    before - context.meter.steps_left()
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
fn long_texts_are_counted() {
    // Two texts that are alike up to the last letter.
    let bytes = 640_000;
    let long = "a".repeat(bytes);
    let record = format!(r#"{{"x": "{long}", "y": "{long}b"}}"#);
    for query in [
        "{a: 1, b: 2}[$x]",
        "1 | .[$x]?",
        "{a: 1, b: 2} | has($x)",
        "{a: 1, b: 2} | getpath([$x])",
        "{a: 1, b: 2} | setpath([$x]; 1)",
        "{a: 1, b: 2} | delpaths([[$x]])",
        "{a: 1, b: 2} | .[$x] |= 1",
        "{a: 1, b: 2} | . as {$x: $found} | $found",
        "{a: 1, b: 2, ($x): 3}",
        "[{key: $x, value: 1}] | from_entries",
        "{($x): 1} | keys",
        "{($x): 1} | {a: 1} + .",
        "{($x): 1} | {a: 1} * .",
        "{($x): 1} | contains({($y): 1})",
        "{($x): 1} == {($y): 1}",
        "{($x): 1} < {($y): 1}",
        "{} < {($x): 1, ($y): 2}",
        "$x == $y",
        "$x | contains($y)",
        "\"a\" | contains($x)",
        "\"a\" | split($x)",
        "\"a\" | indices($x)",
        "\"a\" / $x",
        "$x | startswith($y)",
        "$y | endswith($x)",
        "$x | ltrimstr($y)",
        "$y | rtrimstr($x)",
        "$x | length",
        "$x | explode",
        "$x | ascii_downcase",
        "$x | tojson",
        "[$x] | @text",
        "[$x] | @csv",
        "[$x] | @tsv",
        "[$x] | @sh",
        "$x | @html",
        "$x | @uri",
        "$x | @base64",
        "$x | @base64d",
        "$x | fromjson",
        "$x | strptime($y)",
        "0 | strftime($x)",
        "[$x] | join(\",\")",
        "[$x, $y] | add",
        "$x | .[1:2]",
        "$x | test(\"b\")",
        "[$x, $y] | sort",
        "[[$x], [$y]] | max",
    ] {
        let query = query.replace("{$x: $found}", "{($x): $found}");
        let spent = steps(&format!(".x as $x | .y as $y | {query}"), &record);
        assert!(spent >= bytes as u64 / 64, "{query}: {spent} steps");
    }
    // What is joined is gone through once, and not once for every item.
    let joined = |items: usize| steps("join(\"-\")", &format!("[{}\"a\"]", "\"aaaaaaaa\",".repeat(items)));
    assert!(joined(40_000) < 6 * joined(10_000));
}

#[test]
fn long_arrays_are_counted() {
    let items = 10_000;
    let record = format!("[{}[]]", "[],".repeat(items - 1));
    for query in [
        ". - []",
        "sort",
        "min",
        "reverse",
        "to_entries",
        "keys",
        "flatten",
        "add",
        "group_by(1)",
        "map(65) | implode",
        ".[1:]",
        ".[1:] = []",
        "map([0]) as $paths | delpaths($paths)",
        "getpath(map(0))",
        "tojson",
        "indices([[]])",
        "map({key: \"a\"}) | from_entries",
        ". == (. + [])",
    ] {
        let spent = steps(query, &record);
        assert!(spent >= items as u64, "{query}: {spent} steps");
    }
    // Comparing what is one and the same in memory is a step, too.
    check_ended(
        "[] as $same | [range(2e3) | $same] | indices([limit(1e3; .[])])",
        "null",
    );
    // A call makes room for all variables of its function.
    let calls = |variables: usize| {
        let names = vec!["$a"; variables].join(",");
        let query = format!("def f: if . then 1 else (. as [{names}] | 1) end; last(range(100) | f)");
        steps(&query, "null")
    };
    assert!(calls(2_000) > calls(2) + 100 * 2_000 / 8);
    // Each error that is caught looks for the modification that it came from.
    let caught = |depth: usize| {
        let tries = format!("def f: if . < {depth} then . + 1 | try f catch . else . end; {{a: 0}} | .a |= f");
        steps(&tries, "null")
    };
    assert!(caught(2_000) > caught(1_000) + 1_000_000);
    check_ended("jn(1e8; 3e9)", "null");
    check_ended("yn(-1e8; 3e9)", "null");
    check_ended("last(range(1e4) | strftime(\"%4000d\"))", "null");
}

#[test]
fn messages_quote_a_part() {
    let million = "\"".repeat(1_000_000);
    let quoted = |value: &Value, bytes_max: usize| {
        let written = write::shortened_to(value, bytes_max);
        assert!(written.capacity() < 16 * bytes_max, "{} bytes", written.capacity());
        written
    };
    let long = Value::text(million);
    assert_eq!(quoted(&long, 14), "\"\\\"\\\"\\\"\\\"\\\"...");
    assert_eq!(quoted(&long, 1024).len(), 1024);
    assert_eq!(quoted(&Value::array(vec![long; 1000]), 1024).len(), 1024);
    for (text, expected) in [
        ("aaaaaaaaaaaa", "\"aaaaaaaaaaaa\""),
        ("aaaaaaaaaaaaa", "\"aaaaaaaaaa..."),
        ("ééééééé", "\"ééééé..."),
        ("aaaaaaaaaaaaé", "\"aaaaaaaaaa..."),
    ] {
        assert_eq!(quoted(&Value::text(text), 14), expected);
    }
    let numbers = Value::array((0..6).map(|at| Value::Number(f64::from(at))));
    assert_eq!(quoted(&numbers, 14), "[0,1,2,3,4,5]");
    check_ended(
        "(\"\\\"\" * 1e7) as $x | last(range(1e9) | try ($x + 1) catch 0)",
        "null",
    );
    check_ended(
        "[{}, range(1e4)] as $a | last(range(1e9) | try ($a | join(\",\")) catch 0)",
        "null",
    );
}

#[test]
fn what_takes_all_memory_ends() {
    for query in [
        "(\"x\" * 6e6) as $x | {a: $x, b: $x, c: $x, d: $x, e: $x, f: $x}",
        "\"\\u0001\" * 1e7 | tojson",
        "\"\\\"\" * 1e7 | @html",
        "\"\\\"\" * 1.5e7 | @uri",
        "[\"'\" * 1e7] | @sh",
        "[\"\\\"\" * 1.5e7] | @csv",
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
        "(\"x\" * 1e7) as $x | def f: try $x[$x] catch . as $y | f; f",
        "(\"x\" * 1e7) as $x | def f: try (1 | format($x)) catch . as $y | f; f",
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
    check_ended(
        "reduce range(2e4) as $i (0; . as $d | null | path(.[$d:])) | length",
        "null",
    );
    check_ended("[1] | delpaths([[range(2e4) | {start: 0, end: 1}]])", "null");
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
        "\"\\u0001\" * 6e7 | tojson",
        "\"\\\"\" * 6e7 | @html",
        "[\"'\" * 5e7] | @sh",
        "\"x,\" * 4e6 | split(\",\")",
        "(\"x\" * 6e7) as $x | {a: $x, b: $x, c: $x, d: $x, e: $x, f: $x, g: $x, h: $x, i: $x}",
    ] {
        first(query, "null", limits).expect_err(query);
    }
    let taken = peak_bytes() - before;
    assert!(taken < 2 * limits.bytes, "{taken} bytes");
}

/// jq asserts here that paths are sorted, which nothing is that is no number.
#[test]
fn what_is_no_number_sorts_anywhere() {
    let query = "{start: 0, end: nan} as $k | [1] | delpaths([[$k, 1], [$k]])";
    assert_eq!(first(query, "null", FEW_STEPS), Ok(Some(Output::Other)));
}
