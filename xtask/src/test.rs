//! `cargo xtask test`: Rust's tests, then the built binary under pytest with the clients that people use.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{root, run, target_dir};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only Rust's tests.
    #[arg(long, conflicts_with = "end_to_end")]
    rust: bool,
    /// Only the tests with real clients.
    #[arg(long)]
    end_to_end: bool,
    /// Further arguments for pytest, such as `-k kinesis`.
    #[arg(last = true)]
    pytest: Vec<String>,
}

pub(crate) fn run_all(arguments: &Arguments) -> Result<()> {
    // One build for both: the workspace and its tests, with one set of features.
    run(cargo().args(["build", "--workspace", "--all-targets"]))?;
    // It comes first, because Rust's tests of file formats find readers in it.
    let python = if arguments.rust { None } else { Some(python()?) };
    if !arguments.end_to_end {
        // A few of Rust's tests ask other readers of a format.
        let python = python.iter().map(|python| ("CATCHMENT_TEST_PYTHON", python));
        run(cargo().args(["test", "--workspace"]).envs(python))?;
    }
    if let Some(python) = python {
        run(Command::new(python)
            .current_dir(root().join("tests"))
            .args(["-m", "pytest", "--quiet"])
            .args(&arguments.pytest)
            .env("CATCHMENT_BINARY", binary("debug")))?;
    }
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The built binary of a profile's directory.
pub(crate) fn binary(profile: &str) -> PathBuf {
    target_dir().join(profile).join("catchment")
}

/// The interpreter of a virtual environment under the target directory that holds the pinned clients of
/// `tests/requirements.txt`.
fn python() -> Result<PathBuf> {
    let environment = target_dir().join("test-clients");
    let requirements = root().join("tests/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).context("tests/requirements.txt")?;
    let stamp = environment.join("installed.txt");
    let python = environment.join("bin/python");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    install(&python, &requirements)?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

fn install(python: &Path, requirements: &Path) -> Result<()> {
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(requirements))
}
