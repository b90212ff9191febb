//! Repository chores: `cargo xtask <models|test|tidy|bench|new-operation>`.

mod bench;
mod models;
mod new_operation;
mod test;
mod tidy;

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
    /// Start a new operation in a service crate: the file, its `mod` line and its `.on` line.
    NewOperation(new_operation::Arguments),
}

#[derive(Subcommand)]
enum Bench {
    /// PutRecords and PutRecord, durable, and GetRecords, beside the disk's own fsync.
    Kinesis(bench::kinesis::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Models => models::make(),
        Chore::Test(arguments) => test::run_all(&arguments),
        Chore::Tidy => tidy::check(),
        Chore::Bench(Bench::Kinesis(arguments)) => bench::kinesis::run(&arguments),
        Chore::NewOperation(arguments) => new_operation::make(&arguments),
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Where cargo builds; tools that tests need (a Python environment, clients) live beside the builds.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command and fails with its name if it does.
fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
