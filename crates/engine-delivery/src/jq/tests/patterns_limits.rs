//! What regular expressions may cost: reading them, compiling them and what they match.

use super::limits::{FEW_STEPS, first};
use crate::jq::{Limits, Output, Query};

const STEPS: &str = "the query was ended: it takes too many steps";
const MEMORY: &str = "the query was ended: it makes more of the record than memory is given";

#[track_caller]
fn check_ended(query: &str, limits: Limits, expected: &str) {
    let ended = first(query, "null", limits).expect_err(query);
    assert_eq!(ended, expected, "{query}");
}

#[track_caller]
fn check_runs(query: &str, limits: Limits) {
    assert_eq!(first(query, "null", limits), Ok(Some(Output::Other)), "{query}");
}

/// The error of a pattern that is none.
#[track_caller]
fn check_refused(query: &str, reason: &str) {
    let error = first(query, "null", Limits::default()).expect_err(query);
    assert!(error.starts_with("the query failed: "), "{query}: {error}");
    assert!(error.contains(reason), "{query}: {error}");
}

fn of_steps(steps: u64) -> Limits {
    Limits {
        steps,
        ..Limits::default()
    }
}

fn of_bytes(bytes: usize) -> Limits {
    Limits {
        bytes,
        ..Limits::default()
    }
}

#[test]
fn compiling_ends() {
    for query in [
        r#""a" | test("(?:(?:(?:){100000}){100000}){100000}")"#,
        r#""a" | test("(?:(?:(?:){0,100000}){0}){100000}{100000}")"#,
        r#""a" | test("(?:(?<=" + "\\w{0}" * 100 + ")){3000}")"#,
    ] {
        check_ended(query, FEW_STEPS, STEPS);
    }
}

#[test]
fn other_cases_of_classes_are_counted() {
    check_ended(r#""a" | test("[\\w\\W]" * 900; "i")"#, Limits::default(), STEPS);
    check_runs(r#""a" | test("[\\w\\W]" * 90; "i")"#, Limits::default());
}

#[test]
fn patterns_nest_as_deep_as_the_stack_goes() {
    let reason = "repetitions are repeated more than 100 times";
    check_refused(r#""a" | test("a" + "*" * 500)"#, reason);
    check_refused(r#""a" | test("(?<=a" + "*" * 500 + ")")"#, reason);
    check_refused(
        r#""a" | test("(?:a" + "**" * 9 + ")**" * 99)"#,
        "unmatched close parenthesis",
    );
    check_refused(r#""a" | test("(" * 90 + "a" + "***)" * 90)"#, reason);
    for query in [
        r#""a" | test("a" + "*" * 9800)"#,
        r#""a" | test("(?<=a" + "*" * 9800 + ")")"#,
        r#""a" | test("a" + "*+" * 4900)"#,
    ] {
        check_refused(query, "");
    }
    // All that may nest.
    for query in [
        r#""a" | test("(" * 99 + "a" + "*+|b)*+" * 99)"#,
        r#""a" | test("(" * 99 + "a" + "*+|b)" * 99 + "*+" * 100)"#,
        r#""a" | test("(?=" * 99 + "a" + "|b)" * 99)"#,
        r#""a" | test("(?<=" * 99 + "" + "|)" * 99)"#,
    ] {
        check_runs(query, Limits::default());
    }
}

#[test]
fn what_groups_hold_is_compared_at_a_cost() {
    for query in [
        r#"("a" * 2e5) | test("^(a+)\\1$x"; "i")"#,
        r#"("a" * 2e5) | test("^(a+)\\1$x")"#,
        r#"("a" * 1e5 + "b" + "a" * 1e5) | test("^(a+)b(?:\\1x|\\1y|a)+$x")"#,
    ] {
        check_ended(query, of_steps(1_000_000), STEPS);
    }
}

#[test]
fn looking_behind_and_atomic_groups_are_counted() {
    check_ended(r#"("a" * 5000) | test("(?<=b[a]{4000})")"#, FEW_STEPS, STEPS);
    // What the length of the pattern costs is in it.
    let limits = of_steps(220_000);
    check_runs(r#"("a" * 3000) | test("(?:" * 90 + "(a)*" + ")" * 90)"#, limits);
    check_ended(r#"("a" * 3000) | test("(?>" * 90 + "(a)*" + ")" * 90)"#, limits, STEPS);
}

#[test]
fn flags_and_patterns_are_counted() {
    check_ended(r#""a" | test("a"; "g" * 1e7)"#, FEW_STEPS, STEPS);
    check_ended(r#""a" | test("a" * 1e7)"#, FEW_STEPS, STEPS);
}

#[test]
fn patterns_and_captures_are_held_in_memory() {
    // A class that is repeated is held once, and one that stands there more often more often.
    check_runs(r#""a" | test("\\w{9000}")"#, of_bytes(1 << 20));
    check_ended(r#""a" | test("\\w" * 500)"#, of_bytes(1 << 20), MEMORY);
    let nested = r#"("a" * 9000) | [match("(" * 100 + "a{9000}" + ")" * 100)]"#;
    let nested = nested.replace("100", "99");
    check_ended(&nested, of_bytes(900_000), MEMORY);
    check_runs(&nested, of_bytes(2 << 20));
}

#[test]
fn large_patterns_are_not_kept() {
    let limits = of_steps(450_000);
    check_runs(r#"[range(2) | "a" | test("a" * 600)]"#, limits);
    check_ended(r#"[range(2) | "a" | test("\\w" * 300)]"#, limits, STEPS);
}

#[test]
fn a_record_costs_the_same_whatever_came_before_it() {
    let query = || Query::compile(r#"{a: (test("(a+)[bc]\\d{3}"; "i") or (gsub("b"; "c") | test("c")))}"#).unwrap();
    let runs = |query: &Query, steps| query.first(br#""abc""#, 0.0, of_steps(steps)).is_ok();
    let (mut too_few, mut enough) = (0, Limits::default().steps);
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        match runs(&query(), middle) {
            true => enough = middle,
            false => too_few = middle,
        }
    }
    let used = query();
    for _ in 0..2 {
        assert!(runs(&used, enough));
        assert!(!runs(&used, too_few));
    }
}

#[test]
fn lengths_to_look_behind_have_a_bound() {
    let query = r#""a" | test("(?<=b" + "(?:" * 5 + "a" + "{100000})" * 5 + ")")"#;
    check_refused(query, "invalid pattern in look-behind");
}

#[test]
fn bytes_beyond_ascii_are_no_letters() {
    for pattern in [r"\\xe9", r"[\\xe9]", r"\\351", r"[\\351]", r"[a-\\xe9]"] {
        let query = format!(r#""é" | test("{pattern}")"#);
        check_refused(&query, "too short multibyte code string");
    }
    check_runs(r#""é" | test("\\x{e9}")"#, Limits::default());
}
