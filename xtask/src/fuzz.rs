//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a while.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::{root, run, target_dir};

/// One input takes milliseconds; one that takes so long hangs.
const INPUT_SECONDS_MAX: u32 = 20;
/// Where files cost no disk, if there is such a place: the target `segments` writes a directory for each input.
const MEMORY_DIRECTORY: &str = "/dev/shm";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// Requests in every wire protocol.
    Request,
    /// Frames of event streams and of the log.
    Frames,
    /// The log's files.
    Segments,
    /// Lines of text, and patterns.
    Text,
    /// Avro, ORC, RecordIO and compressed objects.
    Files,
    /// JQ queries and records.
    Queries,
}

impl Target {
    const ALL: [Self; 6] = [
        Self::Request,
        Self::Frames,
        Self::Segments,
        Self::Text,
        Self::Files,
        Self::Queries,
    ];

    /// As the binary in `fuzz/Cargo.toml` is called.
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Frames => "frames",
            Self::Segments => "segments",
            Self::Text => "text",
            Self::Files => "files",
            Self::Queries => "queries",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this one.
    target: Option<Target>,
    /// For how long each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn fuzz(arguments: &Arguments) -> Result<()> {
    ensure!(
        succeeds(Command::new("cargo").args(["fuzz", "--version"])),
        "cargo-fuzz is missing: cargo install cargo-fuzz"
    );
    ensure!(
        succeeds(Command::new("cargo").args(["+nightly", "--version"])),
        "fuzzing needs a nightly toolchain: rustup toolchain install nightly"
    );
    let targets = arguments.target.map_or(Target::ALL.to_vec(), |target| vec![target]);
    for target in targets {
        let mut command = Command::new("cargo");
        command
            .current_dir(root())
            // The toolchain that cargo was started with would go before the one that is named.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_DIR", target_dir().join("fuzz"))
            .args(["+nightly", "fuzz", "run", target.name(), "--"])
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg("-print_final_stats=1");
        if std::env::var_os("TMPDIR").is_none() && Path::new(MEMORY_DIRECTORY).is_dir() {
            command.env("TMPDIR", MEMORY_DIRECTORY);
        }
        run(&mut command)?;
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    // A toolchain that is missing is not to be installed in passing.
    let command = command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
