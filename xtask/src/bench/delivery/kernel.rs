//! JSON to Parquet on one thread: catchment's conversion, DuckDB and PyArrow on the same file, each in a process of
//! its own that reports its time on the processor.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Arguments;
use crate::{root, target_dir, test};

/// Conversions of one process; the first ones also bring code and pages into memory.
const CONVERSIONS: usize = 3;
const PEERS: &str = "xtask/src/bench/delivery/kernel_peers.py";

/// One conversion, as each program reports it.
#[derive(Clone, Deserialize)]
struct Conversion {
    rows: u64,
    parquet_bytes: u64,
    cpu_seconds: f64,
    /// The part of it that reading JSON takes, where the program can tell.
    decode_cpu_seconds: Option<f64>,
    encode_cpu_seconds: Option<f64>,
}

struct Program {
    name: String,
    command: Box<dyn Fn() -> Command>,
    best: Option<Conversion>,
}

pub(super) fn measure(arguments: &Arguments, directory: &Path) -> Result<()> {
    crate::run(Command::new("cargo").args(["build", "--release", "-p", "engine-formats", "--example", "kernel"]))?;
    let kernel = target_dir().join("release/examples/kernel");
    let python = test::python()?;
    let (events, columns) = (directory.join("events.ndjson"), directory.join("columns.txt"));
    let megabytes = arguments.megabytes.to_string();
    crate::run(Command::new(&kernel).arg("generate").arg(&events).arg(megabytes))?;
    std::fs::write(&columns, output(Command::new(&kernel).arg("columns"))?)?;

    let conversions = CONVERSIONS.to_string();
    let ours = directory.join("catchment.parquet");
    let mut programs = vec![Program {
        name: "catchment".to_owned(),
        command: {
            let (ours, events, conversions) = (ours.clone(), events.clone(), conversions.clone());
            Box::new(move || {
                let mut command = Command::new(&kernel);
                command.arg("convert").arg(&events).arg(&ours).arg(&conversions);
                command
            })
        },
        best: None,
    }];
    for peer in ["duckdb", "pyarrow"] {
        let (python, events, columns) = (python.clone(), events.clone(), columns.clone());
        let (to, conversions) = (directory.join(format!("{peer}.parquet")), conversions.clone());
        let version = output(Command::new(&python).arg(root().join(PEERS)).args(["version", peer]))?;
        programs.push(Program {
            name: String::from_utf8_lossy(&version).trim().to_owned(),
            command: Box::new(move || {
                let mut command = Command::new(&python);
                command.arg(root().join(PEERS)).args(["convert", peer]);
                command.arg(&columns).arg(&events).arg(&to).arg(&conversions);
                command
            }),
            best: None,
        });
    }
    // In turns, so that whatever else the machine does is shared.
    for _ in 0..arguments.rounds {
        programs.iter_mut().try_for_each(Program::round)?;
    }
    let bytes = std::fs::metadata(&events)?.len();
    print(&programs, bytes)?;
    // DuckDB reads both files and finds no row that is in one alone.
    let checked = Command::new(&python)
        .arg(root().join(PEERS))
        .arg("compare")
        .args([&ours, &directory.join("duckdb.parquet")])
        .status()?;
    ensure!(checked.success(), "the files of catchment and DuckDB differ");
    Ok(())
}

impl Program {
    /// Runs the program once and keeps the quickest conversion of all so far.
    fn round(&mut self) -> Result<()> {
        let lines = output(&mut (self.command)())?;
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let conversion: Conversion =
                serde_json::from_slice(line).with_context(|| format!("what {} reports", self.name))?;
            if self
                .best
                .as_ref()
                .is_none_or(|best| conversion.cpu_seconds < best.cpu_seconds)
            {
                self.best = Some(conversion);
            }
        }
        Ok(())
    }
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(output.stdout)
}

fn print(programs: &[Program], bytes: u64) -> Result<()> {
    let megabytes = bytes as f64 / 1e6;
    println!(
        "\n{:<20} {:>12} {:>8} {:>8} {:>10}",
        "JSON to Parquet", "MB/CPU-s", "decode", "encode", "Parquet MB"
    );
    let mut ours = None;
    for Program { name, best, .. } in programs {
        let best = best
            .as_ref()
            .with_context(|| format!("{name} did not convert anything"))?;
        let rate = |seconds: f64| megabytes / seconds;
        let part = |seconds: Option<f64>| {
            seconds
                .map(|seconds| format!("{:.0}", rate(seconds)))
                .unwrap_or_default()
        };
        let total = rate(best.cpu_seconds);
        let ours = *ours.get_or_insert(total);
        let compared = if ours == total {
            format!("{} rows of {:.0} bytes", best.rows, bytes as f64 / best.rows as f64)
        } else {
            format!("catchment: {:.2} x", ours / total)
        };
        println!(
            "{name:<20} {total:>12.0} {:>8} {:>8} {:>10.1}   {compared}",
            part(best.decode_cpu_seconds),
            part(best.encode_cpu_seconds),
            best.parquet_bytes as f64 / 1e6,
        );
    }
    Ok(())
}
