//! `cargo xtask bench delivery`: what it takes to deliver records, part by part, beside other programs that do the same.

mod kernel;
mod lake;
mod partitions;
mod puts;
mod visibility;

use std::path::{Path, PathBuf};

use anyhow::Result;

use self::lake::Lake;
use super::{disk, table};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary. Built first where none is given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where files are made; for all but the conversion its disk is what is measured.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Which of the measurements are made.
    #[arg(long, value_delimiter = ',', default_value = "kernel,visibility,puts,partitions")]
    only: Vec<Part>,
    /// How many megabytes of events each conversion is given.
    #[arg(long, default_value_t = 150)]
    megabytes: usize,
    /// How often each program that converts is started, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// For how long records are put.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// JSON to Parquet on one thread.
    Kernel,
    /// From PutRecordBatch to objects on the disk.
    Puts,
    /// From a put to its object, where nothing is to be buffered.
    Visibility,
    /// The memory that thousands of active partitions take.
    Partitions,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = std::fs::canonicalize(&arguments.directory)?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = measure(arguments, &directory);
    std::fs::remove_dir_all(&directory)?;
    outcome
}

fn measure(arguments: &Arguments, directory: &Path) -> Result<()> {
    if arguments.only.contains(&Part::Kernel) {
        kernel::measure(arguments, directory)?;
    }
    let parts: [(Part, fn(&Arguments, &Lake) -> Result<()>); 3] = [
        // Before gigabytes are on their way to the disk.
        (Part::Visibility, visibility::measure),
        (Part::Puts, puts::measure),
        (Part::Partitions, partitions::measure),
    ];
    let parts = parts.into_iter().filter(|(part, _)| arguments.only.contains(part));
    let parts = parts.collect::<Vec<_>>();
    if parts.is_empty() {
        return Ok(());
    }
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => crate::build_release()?,
    };
    println!("\n{} connections, {} s", arguments.connections, arguments.seconds);
    table::heading();
    disk::measure(directory, 4 << 10)?;
    for (number, (_, measure)) in parts.into_iter().enumerate() {
        let lake = Lake::start(&binary, &directory.join(number.to_string()))?;
        measure(arguments, &lake)?;
        lake.end()?;
    }
    Ok(())
}
