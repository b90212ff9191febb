//! Expressions written by hand, group by group.

use super::oracle::{Jq, Judgement, difference};
use super::{Ending, ours};

/// A line is an expression and its document behind a tab. Where a group begins its name stands behind `#`, and the
/// document of expressions without one behind `=`.
const EXPRESSIONS: &str = include_str!("expressions.txt");

/// How many expressions one jq judges.
const TOGETHER: usize = 40;

fn cases() -> Vec<(String, Vec<String>)> {
    let mut cases = Vec::new();
    let mut document = "null";
    for line in EXPRESSIONS.lines() {
        if line.starts_with('#') {
            document = "null";
        } else if let Some(given) = line.strip_prefix("= ") {
            document = given;
        } else if !line.is_empty() {
            let (query, document) = line.split_once('\t').unwrap_or((line, document));
            cases.push((query.to_owned(), vec![document.to_owned()]));
        }
    }
    cases
}

#[test]
fn expressions_make_what_jq_makes() {
    let Some(jq) = Jq::find() else { return };
    // What fails as a whole would have all others judged by themselves.
    let (whole, bad): (Vec<_>, Vec<_>) = cases().into_iter().partition(|(query, documents)| {
        let is_json = ours(".", &documents[0]).is_ok_and(|told| told.ending == Ending::Success);
        // `$__loc__` tells of lines.
        is_json && ours(query, &documents[0]).is_ok() && !query.contains("__loc__")
    });
    assert!(whole.len() > 1_000 && bad.len() > 50);
    let together = whole.chunks(TOGETHER).chain(bad.chunks(1));
    let mut differences = Vec::new();
    for cases in together {
        for ((query, documents), judgement) in cases.iter().zip(jq.judge(cases)) {
            differences.extend(match judgement {
                Judgement::Crashed => Some(format!("`{query}` of {documents:?} ends jq")),
                judgement => difference(query, documents, &judgement),
            });
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What ours makes on purpose of what jq makes otherwise; `docs/destinations/jq.md` lists it. Where they come to agree
/// the list must change.
#[test]
fn known_differences_are_differences() {
    let Some(jq) = Jq::find() else { return };
    let unknown = "does not compile";
    for (query, document, jq_makes, ours_makes) in [
        // There is no environment, no other record, and no way out.
        ("env | length > 0", "1", "true", "false"),
        ("$ENV | length > 0", "1", "true", "false"),
        ("[inputs]", "1", "[]", unknown),
        ("debug", "1", "1", unknown),
        ("stderr", "1", "1", unknown),
        ("halt", "1", "", unknown),
        ("input_filename", "1", "\"<stdin>\"", unknown),
        ("input_line_number", "1", "0", unknown),
        ("builtins | length > 0", "1", "true", unknown),
        ("get_search_list | type", "1", "\"array\"", unknown),
        ("module {}; 1", "1", "1", unknown),
        ("_plus(1; 2)", "1", "3", unknown),
        // It is when the record arrived.
        ("now > 0", "1", "true", "false"),
        // A record is one value.
        (".", "1 2", "1\n2", "failure"),
        // Limits.
        ("reduce range(600) as $i (0; [.]) | length", "1", "1", "limit"),
        ("[range(3000000)] | length", "1", "3000000", "limit"),
        ("\"aaa\" | test(\"a{20000}\")", "1", "false", "failure"),
        // Regular expressions.
        ("\"e\\u0301x\" | [match(\"\\\\X\").length]", "1", "[2]", "failure"),
        ("\"ab\" | test(\"a\\\\yb\")", "1", "true", "failure"),
        ("\"aa\" | test(\"^(?<x>a)\\\\g<x>$\")", "1", "true", "failure"),
        ("\"ab\" | test(\"^(a)?(?(1)b|c)$\")", "1", "true", "failure"),
        ("\"b\" | test(\"^(?~a)$\")", "1", "true", "failure"),
        ("\"\u{df}\" | test(\"ss\"; \"i\")", "1", "true", "false"),
        ("\"aa\" | [match(\"a*?\"; \"l\").offset]", "1", "[1]", "[0]"),
        // What ends jq itself.
        (".[nan:]", "[1]", "crash", "failure"),
        ("0 | strftime(1)", "1", "crash", "failure"),
        ("\"\u{e9}\" | [match(\"\"; \"g\").offset]", "1", "crash", "[0]"),
        ("-9223372036854775808 % -1", "1", "crash", "-0"),
    ] {
        let (printed, code) = jq.run(query, document);
        let jq_made = match code {
            Some(0) => printed.trim_end().to_owned(),
            Some(_) => "failure".to_owned(),
            None => "crash".to_owned(),
        };
        // A shell tells of signals by numbers.
        let jq_made = if code.is_some_and(|code| code >= 124) {
            "crash".to_owned()
        } else {
            jq_made
        };
        let ours_made = match ours(query, document) {
            Err(_) => unknown.to_owned(),
            Ok(told) if told.ending == Ending::Failure => "failure".to_owned(),
            Ok(told) if told.ending == Ending::Limit => "limit".to_owned(),
            Ok(told) => told.outputs.join("\n"),
        };
        assert_eq!(
            (jq_made.as_str(), ours_made.as_str()),
            (jq_makes, ours_makes),
            "{query}"
        );
    }
}

#[test]
fn whatever_jq_has_is_there_or_off() {
    let Some(jq) = Jq::find() else { return };
    let (names, _) = jq.run("builtins[]", "null");
    let mut off = Vec::new();
    for name in names.lines().map(|name| name.trim_matches('"')) {
        let (function, arguments) = name.split_once('/').unwrap();
        if function.starts_with('_') {
            continue;
        }
        let call = match arguments.parse().unwrap() {
            0 => function.to_owned(),
            arguments => format!("{function}({})", vec!["."; arguments].join("; ")),
        };
        if let Err(reason) = super::Query::compile(&call) {
            assert_eq!(reason, format!("may not use {name}"));
            off.push(function.to_owned());
        }
    }
    off.sort();
    off.dedup();
    let expected = "builtins debug get_jq_origin get_prog_origin get_search_list halt halt_error input input_filename \
        input_line_number inputs modulemeta stderr";
    assert_eq!(off.join(" "), expected);
}

/// Of functions that C's libraries work out each in their own way the last digits may differ.
#[test]
fn functions_of_numbers_are_near_those_of_c() {
    let Some(jq) = Jq::find() else { return };
    let functions = "cbrt exp exp2 exp10 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh \
        atanh gamma lgamma tgamma erf erfc j0 j1 y0 y1";
    let calls: Vec<_> = functions.split(' ').map(str::to_owned).collect();
    let pairs = [
        "pow",
        "atan2",
        "hypot",
        "fmod",
        "jn",
        "yn",
        "ldexp",
        "scalb",
        "drem",
        "nextafter",
        "fmin",
        "fmax",
        "fdim",
    ];
    let pairs = pairs
        .iter()
        .flat_map(|name| [format!("{name}(.; 3)"), format!("{name}(2; .)")]);
    let more = [
        "lgamma_r[]",
        "frexp[]",
        "modf[]",
        "significand",
        "logb",
        "fma(.; 2; .)",
        "copysign(.; -1)",
        "rint",
    ];
    let query = calls
        .into_iter()
        .chain(pairs)
        .chain(more.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(", ");
    for number in ["0.5", "1", "2.5", "-0.75", "3", "100.25", "-7.5", "1e-9", "0", "27"] {
        let (printed, _) = jq.run(&query, number);
        let told = ours(&query, number).unwrap();
        assert_eq!(told.outputs.len(), printed.lines().count(), "{number}");
        for (at, (theirs, ours)) in printed.lines().zip(&told.outputs).enumerate() {
            if theirs == ours {
                continue;
            }
            let read = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
            let distance = (read(theirs) - read(ours)).abs();
            let is_near = distance <= 1e-12 * read(theirs).abs().max(1e-3);
            assert!(is_near, "output {at} of {number}: {theirs} and {ours}");
        }
    }
}
