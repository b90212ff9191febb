//! Random expressions with random documents.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::documents;
use super::expressions::expression;
use super::oracle::{Jq, difference};

/// How many expressions one jq judges.
const TOGETHER: usize = 24;

/// Runs a property on so many random inputs, `CATCHMENT_JQ_TIMES` as many where that is set. What fails is told with the
/// seed, which `CATCHMENT_JQ_SEED` takes.
pub(super) fn check<S: Strategy>(cases: u32, inputs: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let given = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = given("CATCHMENT_JQ_SEED").unwrap_or_else(|| RandomState::new().hash_one(cases));
    let config = Config {
        cases: cases * given("CATCHMENT_JQ_TIMES").unwrap_or(1) as u32,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(inputs, property) {
        panic!("{error}\nCATCHMENT_JQ_SEED={seed} makes the same inputs");
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
    check(60, &cases, |cases| check_alike(&jq, &cases));
}

#[test]
fn dev_list() {
    use proptest::strategy::ValueTree;
    let Ok(n) = std::env::var("DEVLIST") else { return };
    let Some(jq) = Jq::find() else { return };
    let documents = proptest::collection::vec(documents::document(), 1..4);
    let query = expression().prop_map(|expression| format!(". as $v | {expression}"));
    let cases = proptest::collection::vec((query, documents), 24..=TOGETHER);
    let mut runner = TestRunner::new(Config::default());
    let mut all = Vec::new();
    let (mut crashed, mut total, mut limited) = (0, 0, 0);
    for _ in 0..n.parse().unwrap() {
        let cases = cases.new_tree(&mut runner).unwrap().current();
        for ((query, documents), judgement) in cases.iter().zip(jq.judge(&cases)) {
            total += 1;
            if judgement == super::oracle::Judgement::Crashed {
                crashed += 1;
                println!("CRASH {query}");
            }
            if documents
                .iter()
                .any(|d| super::ours(query, d).is_ok_and(|t| t.ending == super::Ending::Limit))
            {
                limited += 1;
                println!("LIMIT {query}");
            }
            if let Some(difference) = difference(query, documents, &judgement) {
                all.push(difference);
            }
        }
    }
    all.sort_by_key(|d| d.len());
    for d in all.iter().take(12) {
        println!("{d}");
    }
    println!("{} differ of {total}, {crashed} crashed, {limited} limited", all.len());
}
