//! catchment: the command line.

mod assembly;
mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod faults;
mod logs;
mod metrics;
mod server;

use std::process::ExitCode;

use clap::Parser;

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
