//! What the fuzz targets share: the inputs that they start from.
//!
//! The bodies of the targets are in the crates that they try, `engine_formats::fuzzing`, `engine_log::fuzzing` and
//! `protocol_aws::testing::fuzz`, where ordinary tests call them too.

use std::panic;
use std::path::Path;
use std::process::abort;
use std::sync::{Mutex, PoisonError};

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

/// What a library said last that panicked.
static LIBRARY_PANIC: Mutex<String> = Mutex::new(String::new());

/// Lets panics in other people's crates unwind, to be caught where damaged input is known to bring them about. Those
/// that are not caught there, and ours, end the fuzzer all the same.
pub fn allow_panics_of_libraries() {
    panic::set_hook(Box::new(|panic| {
        let mut library = LIBRARY_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        if panic
            .location()
            .is_some_and(|location| location.file().contains("/registry/src/"))
        {
            *library = panic.to_string();
            return;
        }
        // Where nothing may unwind further, the panic is one of the language's own.
        eprintln!("{panic}\nthe last in a library: {library}");
        abort();
    }));
}
