//! The commands, one file each.

mod completions;
mod deliveries;
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
        Command::Deliveries(arguments) => deliveries::run(&arguments),
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

/// How long ago something was.
fn human_age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        for (ms, text) in [
            (5, "0 s"),
            (61_000, "1 min"),
            (7_200_000, "2 h"),
            (200_000_000, "2 days"),
        ] {
            assert_eq!(human_age(ms), text);
        }
    }
}
