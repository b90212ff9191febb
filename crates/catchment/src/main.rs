//! catchment: the command line.

mod assembly;
mod cli;
mod client;
mod commands;
mod config;
mod delivery_metrics;
mod demo;
mod faults;
mod logs;
mod metrics;
mod server;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Prints a line. Whoever closes the pipe has enough, so that the rest goes nowhere.
macro_rules! say {
    ($($arguments:tt)*) => {
        $crate::print_line(format_args!($($arguments)*))
    };
}
pub(crate) use say;

fn print_line(line: std::fmt::Arguments<'_>) {
    // Nobody is left to be told of an error.
    drop(writeln!(std::io::stdout(), "{line}"));
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("catchment: {error:#}");
            ExitCode::FAILURE
        }
    }
}
