//! Repository chores: `cargo xtask <models|test|tidy|bench|crash|fuzz|new-operation>`.

mod bench;
mod crash;
mod fuzz;
mod load;
mod models;
mod new_operation;
mod server;
mod test;
mod tidy;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Repository chores", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make models/*.json from the pinned botocore release: facts only, no documentation text.
    Models,
    /// Run all tests: Rust's, then the built binary under pytest with real clients.
    Test(test::Arguments),
    /// Check the rules of the house: layers, lists, file sizes, licences.
    Tidy,
    /// Measure throughput and latency against a release binary.
    #[command(subcommand)]
    Bench(Bench),
    /// Kill the server again and again while it writes, and count what is there against what was acknowledged.
    Crash(crash::Arguments),
    /// Try requests, frames and the log's files that a fuzzer makes up; needs cargo-fuzz and a nightly toolchain.
    Fuzz(fuzz::Arguments),
    /// Start a new operation in a service crate: the file, its `mod` line and its `.on` line.
    NewOperation(new_operation::Arguments),
}

#[derive(Subcommand)]
enum Bench {
    /// PutRecords, PutRecord, GetRecords and SubscribeToShard, beside the disk's own fsync.
    Kinesis(bench::kinesis::Arguments),
    /// What delivering takes: JSON to Parquet beside DuckDB and PyArrow, direct puts to objects, thousands of partitions.
    Delivery(bench::delivery::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Models => models::make(),
        Chore::Test(arguments) => test::run_all(&arguments),
        Chore::Tidy => tidy::check(),
        // A client that was not optimised would measure itself.
        Chore::Bench(_) if cfg!(debug_assertions) => run_optimised(),
        Chore::Bench(Bench::Kinesis(arguments)) => bench::kinesis::run(&arguments),
        Chore::Bench(Bench::Delivery(arguments)) => bench::delivery::run(&arguments),
        Chore::Crash(arguments) => crash::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Chore::NewOperation(arguments) => new_operation::make(&arguments),
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Where cargo builds; tools that tests need (a Python environment, clients) live beside the builds. The tests run
/// in a directory of their own, so the path must not depend on where they do.
fn target_dir() -> PathBuf {
    target_dir_of(std::env::var_os("CARGO_TARGET_DIR"))
}

fn target_dir_of(set: Option<OsString>) -> PathBuf {
    root().join(set.unwrap_or_else(|| "target".into()))
}

/// Does what was asked for with a release build of this program. The server is built along with it, so that the two
/// share what they have in common.
fn run_optimised() -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "xtask"]);
    if !std::env::args().any(|argument| argument.starts_with("--binary")) {
        build.args(["-p", "catchment"]);
    }
    run(&mut build)?;
    run(Command::new(target_dir().join("release").join("xtask")).args(std::env::args_os().skip(1)))
}

/// Builds the release binary and says where it is.
fn build_release() -> Result<PathBuf> {
    run(Command::new("cargo").args(["build", "--release", "-p", "catchment"]))?;
    Ok(target_dir().join("release").join("catchment"))
}

/// Runs a command and fails with its name if it does.
fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_the_same_from_everywhere() {
        assert_eq!(target_dir_of(None), root().join("target"));
        assert_eq!(target_dir_of(Some("builds".into())), root().join("builds"));
        assert_eq!(target_dir_of(Some("/builds".into())), PathBuf::from("/builds"));
    }
}
