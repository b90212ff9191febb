//! What the fuzz targets share: the inputs that they start from.
//!
//! The bodies of the targets are in the crates that they try, `engine_log::fuzzing` and `protocol_aws::testing::fuzz`,
//! where ordinary tests call them too.

use std::path::Path;

/// Puts the inputs to start from into the target's corpus, where a fuzzer finds them when it begins.
///
/// # Panics
/// Where they cannot be written.
pub fn plant(target: &str, seeds: &[Vec<u8>]) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&corpus).expect("makes the corpus");
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed).expect("writes a seed");
    }
}
