//! `cargo xtask bench delivery`: what it takes to deliver records, part by part, beside other programs that do the same.

mod kernel;

use std::path::PathBuf;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where files are made.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Which of the measurements are made.
    #[arg(long, value_delimiter = ',', default_value = "kernel")]
    only: Vec<Part>,
    /// How many megabytes of events each conversion is given.
    #[arg(long, default_value_t = 150)]
    megabytes: usize,
    /// How often each program is started, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// JSON to Parquet on one thread.
    Kernel,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = std::fs::canonicalize(&arguments.directory)?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = arguments.only.iter().try_for_each(|part| match part {
        Part::Kernel => kernel::measure(arguments, &directory),
    });
    std::fs::remove_dir_all(&directory)?;
    outcome
}
