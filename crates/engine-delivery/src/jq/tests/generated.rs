//! Random expressions with random documents.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::documents;
use super::expressions::{DEFINITIONS, expression};
use super::oracle::{Jq, difference};

/// How many expressions one jq judges.
const TOGETHER: usize = 24;

/// Runs a property on so many random inputs, always the same ones: `CATCHMENT_JQ_SEED` makes others of them, and
/// `CATCHMENT_JQ_TIMES` so many times as many.
pub(super) fn check<S: Strategy>(cases: u32, inputs: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let given = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(
            value
                .parse::<u32>()
                .unwrap_or_else(|_| panic!("{name} is not a number: {value}")),
        )
    };
    let config = Config {
        cases: cases * given("CATCHMENT_JQ_TIMES").unwrap_or(1),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&given("CATCHMENT_JQ_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(inputs, property) {
        panic!("{error}");
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
    let query = expression().prop_map(|expression| format!("{DEFINITIONS}{expression}"));
    let cases = proptest::collection::vec((query, documents), 1..=TOGETHER);
    check(60, &cases, |cases| check_alike(&jq, &cases));
}
