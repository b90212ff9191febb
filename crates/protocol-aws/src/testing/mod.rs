//! What every service's tests share: the honest list, the models' cases, and drift of our types from the
//! models.

mod cases;
#[cfg(debug_assertions)]
mod drift;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

pub use cases::check_model_cases;
#[cfg(debug_assertions)]
pub(crate) use drift::{check_input_fields, check_output};

use crate::Service;

/// `unimplemented.txt` must be exactly the model's operations that are not built, sorted, one a line.
///
/// # Panics
/// Where it is not, saying what the file should hold.
pub fn check_unimplemented(service: &Service, listed: &str) {
    let built = service.operations();
    let mut missing: Vec<&str> = service.model().operations.keys().map(String::as_str).collect();
    missing.retain(|name| !built.contains(name));
    missing.sort_unstable();
    let listed: Vec<&str> = listed.lines().collect();
    assert!(
        listed == missing,
        "{}/unimplemented.txt should hold:\n{}",
        service.name(),
        missing.join("\n")
    );
}
