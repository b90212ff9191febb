//! Random expressions with random documents.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::documents;
use super::expressions::expression;
use super::oracle::{Jq, difference};

/// How many expressions one jq judges.
const TOGETHER: usize = 24;

/// A configuration whose failures name the seed, and which is as many times as long as `CATCHMENT_JQ_TIMES`
/// says.
pub(super) fn config(cases: u32) -> Config {
    let times = std::env::var("CATCHMENT_JQ_TIMES").ok().and_then(|times| times.parse::<u32>().ok());
    Config {
        cases: cases * times.unwrap_or(1),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    }
}

/// Expects that ours and jq make the same of each query and its documents.
pub(super) fn check_alike(jq: &Jq, cases: &[(String, Vec<String>)]) -> Result<(), TestCaseError> {
    for ((query, documents), judgement) in cases.iter().zip(jq.judge(cases)) {
        if let Some(difference) = difference(query, documents, &judgement) {
            return Err(TestCaseError::fail(difference));
        }
    }
    Ok(())
}

#[test]
fn random_expressions_make_what_jq_makes() {
    let Some(jq) = Jq::find() else { return };
    let documents = proptest::collection::vec(documents::document(), 1..4);
    // The variable that expressions name.
    let query = expression().prop_map(|expression| format!(". as $v | {expression}"));
    let cases = proptest::collection::vec((query, documents), 1..=TOGETHER);
    TestRunner::new(config(60))
        .run(&cases, |cases| check_alike(&jq, &cases))
        .unwrap();
}

#[test]
fn dev_list() {
    use proptest::strategy::ValueTree;
    let Ok(n) = std::env::var("DEVLIST") else { return };
    let Some(jq) = Jq::find() else { return };
    let documents = proptest::collection::vec(documents::document(), 1..4);
    let query = expression().prop_map(|expression| format!(". as $v | {expression}"));
    let cases = proptest::collection::vec((query, documents), 24..=TOGETHER);
    let mut runner = TestRunner::new(config(60));
    let mut all = Vec::new();
    let (mut crashed, mut total, mut limited) = (0, 0, 0);
    for _ in 0..n.parse().unwrap() {
        let cases = cases.new_tree(&mut runner).unwrap().current();
        for ((query, documents), judgement) in cases.iter().zip(jq.judge(&cases)) {
            total += 1;
            if judgement == super::oracle::Judgement::Crashed { crashed += 1; println!("CRASH {query}"); }
            if documents.iter().any(|d| super::ours(query, d).is_ok_and(|t| t.ending == super::Ending::Limit)) { limited += 1; println!("LIMIT {query}"); }
            if let Some(difference) = difference(query, documents, &judgement) {
                all.push(difference);
            }
        }
    }
    all.sort_by_key(|d| d.len());
    for d in all.iter().take(12) { println!("{d}"); }
    println!("{} differ of {total}, {crashed} crashed, {limited} limited", all.len());
}
