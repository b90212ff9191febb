//! The Python of `cargo xtask test`, with the readers that it has.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that `cargo xtask test` names, or that of the virtual environment beside this test in the target
/// directory. Without one there is no test; where everything must run (`CI=true`) it must be there.
pub(crate) fn interpreter() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CATCHMENT_TEST_PYTHON") {
        return Some(given.into());
    }
    let test = std::env::current_exe().expect("this test's path");
    let made = test.ancestors().map(|path| path.join("test-clients/bin/python"));
    let found = made.into_iter().find(|python| python.exists());
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "no virtual environment near {}",
            test.display()
        );
        eprintln!("skipped: `cargo xtask test` makes the virtual environment for it");
    }
    found
}

/// What the script prints when it is given `directory`.
pub(crate) fn run(python: &Path, script: &str, directory: &Path) -> String {
    let output = Command::new(python)
        .args(["-c", script])
        .arg(directory)
        .output()
        .expect("Python runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}
