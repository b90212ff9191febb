//! The commands, one file each.

mod completions;
mod faults;
mod keys;
mod plan;
mod put;
pub(crate) mod serve;
mod status;
mod streams;
mod tail;

use anyhow::Result;

use crate::cli::{Arguments, Command, Plan};
use crate::config::Config;

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Serve(flags) => serve::run(&Config::load(file, flags)?),
        Command::Status(arguments) => status::run(&arguments),
        Command::Put(arguments) => put::run(&arguments),
        Command::Tail(arguments) => tail::run(&arguments),
        Command::Faults(arguments) => faults::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Streams(arguments) => streams::run(&arguments),
        Command::Plan {
            what:
                Plan::Shards {
                    records_per_second,
                    record_kb,
                    consumers,
                },
        } => plan::shards(records_per_second, record_kb, consumers),
        Command::Config(flags) => {
            print!("{}", Config::load(file, flags)?.print()?);
            Ok(())
        }
        Command::Completions { shell } => {
            completions::print(shell);
            Ok(())
        }
        Command::Demo(arguments) => {
            let config = Config::load(file, arguments.serve)?;
            crate::demo::run(config, arguments.exit, arguments.data.as_deref())
        }
    }
}
