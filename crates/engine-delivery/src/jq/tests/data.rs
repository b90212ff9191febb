//! Functions whose arguments come from the document, so that one jq judges many: numbers as text, times, patterns,
//! slices and paths.

use proptest::prelude::*;
use proptest::sample::select;

use super::documents::{document, number, text};
use super::generated::{self, check_alike};
use super::oracle::Jq;

/// How many documents one jq judges.
const TOGETHER: usize = 60;

/// Runs one query on many documents in one go; where one fails they shrink to it.
fn check(cases: u32, query: &'static str, documents: impl Strategy<Value = String>) {
    let Some(jq) = Jq::find() else { return };
    let documents = proptest::collection::vec(documents, 1..=TOGETHER);
    generated::check(cases, &documents, |documents| {
        check_alike(&jq, &[(query.to_owned(), documents)])
    });
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn numbers_are_written_alike() {
    let bits = any::<u64>().prop_map(f64::from_bits);
    let bits = bits.prop_filter("JSON has no others", |number| number.is_finite());
    let scaled = (any::<i64>(), -30_i32..30).prop_map(|(digits, exponent)| format!("{digits}e{exponent}"));
    let numbers = prop_oneof![number(), bits.prop_map(|number| format!("{number:e}")), scaled];
    check(20, "., tostring, -., . + 1, . * 3, floor", numbers);
}

#[test]
fn texts_are_read_as_numbers_alike() {
    let written = "[+-]?[0-9.]{1,4}(e[+-]?[0-9.]{0,3})?";
    let texts = prop_oneof![
        written,
        " ?[0-9a-zA-Z.+-]{0,6} ?",
        select(&["-nan", "NaN", "-Infinity", "inf"][..]).prop_map(str::to_owned)
    ];
    check(20, "[tonumber], [fromjson]", texts.prop_map(|text| quoted(&text)));
}

#[test]
fn texts_are_read_as_json_alike() {
    let pieces = select(
        &[
            "[", "]", "{", "}", ",", ":", "1", "-", "\"a\"", "\"", "\\", "\\u0041", "\\ud83d", "\\ude00", "\\x",
            "null", "tru", " ", "\u{e9}", "{\"a\":", "[1,",
        ][..],
    );
    let soup = proptest::collection::vec(pieces, 0..7).prop_map(|pieces| pieces.concat());
    let texts = prop_oneof![soup, document()];
    check(30, "[fromjson]", texts.prop_map(|text| quoted(&text)));
}

#[test]
fn times_are_written_alike() {
    let conversion = "%[-_0^#]?[1-9]?[EO]?[aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZq%]";
    let format = proptest::collection::vec(conversion, 1..4).prop_map(|conversions| conversions.join("|"));
    let seconds = prop_oneof![-5_000_000_000_i64..5_000_000_000, -70_000_000_000_i64..300_000_000_000];
    let fields = [1800..2200, 0..13, 0..33, 0..25, 0..61, 0..62, 0..8, 0..366_i64];
    let moments = fields.prop_map(|fields| format!("{fields:?}"));
    let times = prop_oneof![seconds.prop_map(|seconds| seconds.to_string()), moments];
    let documents = (times, format).prop_map(|(time, format)| format!("{{\"t\": {time}, \"f\": {}}}", quoted(&format)));
    check(40, ".f as $f | .t | strftime($f), (mktime? // gmtime)", documents);
}

#[test]
fn times_are_read_alike() {
    let written = select(
        &[
            ("%Y-%m-%dT%H:%M:%SZ", "2015-03-05T23:51:47Z"),
            ("%Y-%m-%d %H:%M:%S", "2021-12-31 00:00:60"),
            ("%d/%b/%Y:%H:%M:%S %z", "05/Mar/2015:23:51:47 +0100"),
            ("%a, %d %b %Y %T %Z", "Thu, 05 Mar 2015 23:51:47 GMT"),
            ("%m/%d/%y %I:%M %p", "3/5/15 11:51 pm"),
            ("%j %Y", "064 2015"),
            ("%Y %U %w", "2015 10 4"),
            ("%s", "1425599507"),
            ("%c", "Thu Mar  5 23:53:41 2015"),
            ("%D %R", "03/05/15 23:51"),
            ("%e %B %Y", " 5 March 1899"),
            ("%C%y", "2015"),
        ][..],
    );
    // Some are changed in one place.
    let documents = (
        written,
        any::<prop::sample::Index>(),
        select(&["", "", "", "0", "9", " ", "x", "-"][..]),
    );
    let documents = documents.prop_map(|((format, text), at, change)| {
        let at = at.index(text.len());
        let text = match change {
            "" => text.to_owned(),
            change => format!("{}{change}{}", &text[..at], &text[at + 1..]),
        };
        format!("{{\"f\": {}, \"s\": {}}}", quoted(format), quoted(&text))
    });
    check(30, ".f as $f | .s | strptime($f) | ., mktime", documents);
}

#[test]
fn patterns_match_alike() {
    let atom = select(
        &[
            "a", "b", "c", ".", "\\d", "\\w", "\\s", "[ab]", "[^a]", "[a-c]", "(a)", "(a|b)", "(?:ab|c)", "(?<n>a)",
            "(b)?", "^", "$", "\\b", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "(?>a*)", "\\1", "(?i)", "x?", "", "|",
        ][..],
    );
    let repeat = select(
        &[
            "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}", "*+",
        ][..],
    );
    let piece = (atom, repeat).prop_map(|(atom, repeat)| format!("{atom}{repeat}"));
    let pattern = proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
    let text = prop_oneof![3 => "[abc]{0,6}", 1 => "[abcABC1 _\n]{0,8}"];
    let flags = select(&["", "g", "i", "x", "gi", "n", "p", "s"][..]);
    let documents = (pattern, text, flags).prop_map(|(pattern, text, flags)| {
        let fields = [("p", pattern.as_str()), ("s", &text), ("f", flags)];
        let fields = fields.map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
        format!("{{{}}}", fields.join(", "))
    });
    check(
        60,
        ". as $d | .s | [test($d.p; $d.f)], [match($d.p; $d.f)], [splits($d.p)]",
        documents,
    );
}

#[test]
fn letters_beyond_ascii_match_alike() {
    let pattern = select(
        &[
            ".",
            "\u{e9}",
            "[\u{e0}-\u{ff}]+",
            "\\w+",
            "\\W",
            "\\b.",
            "[[:alpha:]]+",
            "[[:upper:]]",
            "\\p{L}+",
            "\\p{Lu}",
            "\\P{L}",
            "(.)(.)",
            "\u{1f600}",
            "[^a]+",
            "(?<l>.)$",
            "\\s",
            "\\d+",
        ][..],
    );
    let text = "[a\u{c9}\u{e9}\u{df}\u{3b1}\u{4e2d}\u{1f600}1 \u{663}\u{301}]{1,6}";
    let documents = (pattern, text, select(&["", "i"][..])).prop_map(|(pattern, text, flags)| {
        format!(
            "{{\"p\": {}, \"s\": {}, \"f\": {}}}",
            quoted(pattern),
            quoted(&text),
            quoted(flags)
        )
    });
    check(
        30,
        ". as $d | .s | [match($d.p; $d.f)], length, utf8bytelength, explode, @uri, ascii_downcase",
        documents,
    );
}

#[test]
fn slices_and_paths_reach_alike() {
    let key = prop_oneof![
        2 => select(&["0", "1", "-1", "2.5", "-0.5", "null", "\"a\"", "\"b\"", "[1]", "true", "1e3"][..]).prop_map(str::to_owned),
        1 => (bound(), bound()).prop_map(|(from, to)| format!("{{\"start\": {from}, \"end\": {to}}}")),
    ];
    let path = || proptest::collection::vec(key.clone(), 0..3).prop_map(|keys| format!("[{}]", keys.join(",")));
    let documents = (document(), path(), path(), bound(), bound(), document());
    let documents = documents.prop_map(|(of, path, other, from, to, value)| {
        format!("{{\"d\": {of}, \"p\": {path}, \"q\": {other}, \"f\": {from}, \"t\": {to}, \"v\": {value}}}")
    });
    let query = ". as $d | .d | \
        [try getpath($d.p) catch 0], [try setpath($d.p; $d.v) catch 0], [try delpaths([$d.p, $d.q]) catch 0], \
        [try .[$d.f:$d.t] catch 0], [try (.[$d.f:$d.t] = $d.v) catch 0], [try (.[$d.p[]] += 1) catch 0]";
    check(60, query, documents);
}

fn bound() -> impl Strategy<Value = String> {
    select(&["null", "0", "1", "2", "-1", "-2", "1.5", "-1.5", "10", "-10", "0.1"][..]).prop_map(str::to_owned)
}

#[test]
fn values_are_ordered_alike() {
    let documents = (document(), document(), document()).prop_map(|(a, b, c)| format!("[{a}, {b}, {c}]"));
    let query = "sort, unique, group_by(.), min, max, (.[0] < .[1]), (.[0] == .[1]), (.[1] - .[0:1]? // 0), \
        [.[] | try keys catch 0], [.[] | tojson], index(.[1]), (.[0] as $x | [try (.[1] | contains($x)) catch 0])";
    check(30, query, documents);
}

#[test]
fn texts_are_cut_alike() {
    let documents = (text(), text()).prop_map(|(text, part)| format!("[{text}, {part}]"));
    let query = ". as [$s, $p] | $s | split($p), startswith($p), ltrimstr($p), rtrimstr($p), \
        (if $p == \"\" then 0 else indices($p) end), ascii_upcase, explode, (explode | implode), tojson, @csv \"\\([.])\", \
        @sh, @html, @uri, @base64, (@base64 | @base64d), .[1:3], .[-2:], ($s * 2), ($s / $p)";
    check(30, query, documents);
}
