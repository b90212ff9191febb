//! `cargo xtask bench kinesis`: PutRecords and PutRecord, durable, reading back, subscribing, a large volume, and
//! the same load on other servers.

mod catch_up;
mod fan_out;
mod peers;
mod put;
mod volume;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;

use super::disk;
use super::table;
use crate::server::Server;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary. Built first where none is given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the data directory is made; its disk is what is measured.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Over how many shards PutRecords goes; several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4")]
    shards: Vec<usize>,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Measure PutRecords only with this many bytes a record, rather than with 1024 and 100.
    #[arg(long)]
    record_bytes: Option<usize>,
    /// Which of the usual measurements are made.
    #[arg(long, value_delimiter = ',', default_value = "put-records,put-record,fan-out")]
    only: Vec<Part>,
    /// Also write so many gigabytes, kill the server meanwhile and start it again.
    #[arg(long)]
    gigabytes: Option<usize>,
    /// Also install other servers, under the target directory, and load them too.
    #[arg(long)]
    peers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// PutRecords, and reading all of it back with GetRecords.
    PutRecords,
    PutRecord,
    /// From a put to its event at subscribers.
    FanOut,
    /// None of them.
    Nothing,
}

/// What all measurements need.
struct Bench<'a> {
    arguments: &'a Arguments,
    binary: &'a Path,
    directory: &'a Path,
    directories: AtomicUsize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => crate::build_release()?,
    };
    std::fs::create_dir_all(&arguments.directory)?;
    // Servers that are started elsewhere must find it too.
    let directory = std::fs::canonicalize(&arguments.directory)?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let bench = Bench {
        arguments,
        binary: &binary,
        directory: &directory,
        directories: AtomicUsize::new(0),
    };
    let outcome = bench.measure();
    std::fs::remove_dir_all(&directory)?;
    outcome
}

impl Bench<'_> {
    fn measure(&self) -> Result<()> {
        let Arguments {
            connections, seconds, ..
        } = self.arguments;
        println!("{connections} connections, {seconds} s each");
        table::heading();
        disk::measure(self.directory, 4 << 10)?;
        disk::measure(self.directory, 512 << 10)?;
        for (part, measure) in [
            (Part::PutRecords, put::many as fn(&Self) -> Result<()>),
            (Part::PutRecord, put::single),
            (Part::FanOut, fan_out::measure),
        ] {
            if self.arguments.only.contains(&part) {
                measure(self)?;
            }
        }
        if let Some(gigabytes) = self.arguments.gigabytes {
            volume::measure(self, gigabytes)?;
        }
        if self.arguments.peers {
            peers::compare(self)?;
        }
        Ok(())
    }

    fn record_sizes(&self) -> Vec<usize> {
        self.arguments.record_bytes.map_or(vec![1024, 100], |bytes| vec![bytes])
    }

    /// A new server on a directory of its own, which is to be removed after it.
    fn server(&self) -> Result<(Server, PathBuf)> {
        let directory = self.new_directory()?;
        Ok((self.server_on(&directory)?, directory))
    }

    fn server_on(&self, directory: &Path) -> Result<Server> {
        Server::start(self.binary, directory)
    }

    fn new_directory(&self) -> Result<PathBuf> {
        let number = self.directories.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.join(number.to_string());
        std::fs::create_dir(&directory)?;
        Ok(directory)
    }
}
