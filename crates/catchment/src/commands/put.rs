//! `catchment put`: lines into a stream.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base::{human_bytes, human_count};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::PutArguments;
use crate::client::{Client, KINESIS};
use crate::commands::serve::runtime;

/// What the service takes in one call, and room for a record beyond it.
const RECORDS_PER_CALL: usize = 500;
const BYTES_PER_CALL: usize = 4 << 20;
const CALLS_AT_ONCE: usize = 8;
/// Records that were refused for their rate are sent again, for so long.
const RETRIES_MAX: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A record to be put.
#[derive(Clone)]
struct Line {
    key: String,
    data: Vec<u8>,
}

pub(crate) fn run(arguments: &PutArguments) -> Result<()> {
    let begun = Instant::now();
    let bar = progress(arguments);
    let (records, bytes) = runtime()?.block_on(put_all(arguments, &bar))?;
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} records, {} in {seconds:.1} s: {} records/s",
        human_count(records),
        human_bytes(bytes),
        human_count((records as f64 / seconds.max(0.001)) as u64)
    );
    Ok(())
}

/// By bytes where the files' sizes are known.
fn progress(arguments: &PutArguments) -> ProgressBar {
    let sizes = arguments
        .files
        .iter()
        .map(|file| file.metadata().map(|file| file.len()));
    let total: Result<u64, _> = sizes.sum();
    let bar = match total {
        Ok(total) if total > 0 => ProgressBar::new(total).with_style(style(
            "{bar:30} {percent}% {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {msg}",
        )),
        _ => ProgressBar::new_spinner().with_style(style("{spinner} {bytes} in {elapsed}, {bytes_per_sec} {msg}")),
    };
    bar.set_draw_target(match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    });
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn put_all(arguments: &PutArguments, bar: &ProgressBar) -> Result<(u64, u64)> {
    let client = arguments.server.client();
    let (calls, waiting) = mpsc::channel(CALLS_AT_ONCE);
    let given = arguments.clone();
    let reading = tokio::task::spawn_blocking(move || read_all(&given, &calls));
    let calls = futures::stream::unfold(waiting, |mut waiting| async { Some((waiting.recv().await?, waiting)) });
    let answers = calls
        .map(|lines| put(&client, &arguments.stream, lines))
        // One at a time where the order within a key matters.
        .buffered(if arguments.ordered { 1 } else { CALLS_AT_ONCE });
    let mut answers = std::pin::pin!(answers);
    let (mut records, mut bytes) = (0, 0);
    while let Some(answer) = answers.next().await {
        let (count, size) = answer?;
        records += count;
        bytes += size;
        bar.inc(size);
    }
    reading.await.context("reading failed")??;
    Ok((records, bytes))
}

fn read_all(arguments: &PutArguments, calls: &mpsc::Sender<Vec<Line>>) -> Result<()> {
    let standard_input = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() {
        &standard_input
    } else {
        arguments.files.as_slice()
    };
    let mut batch = Batch::default();
    let mut number = 0u64;
    for file in files {
        let mut lines = open(file)?;
        loop {
            let mut data = Vec::new();
            let read = lines.read_until(b'\n', &mut data);
            if read.with_context(|| format!("could not read {}", file.display()))? == 0 {
                break;
            }
            while data.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                data.pop();
            }
            if data.is_empty() {
                continue;
            }
            number += 1;
            let key =
                key_of(arguments, &data, number).with_context(|| format!("record {number}, in {}", file.display()))?;
            if !batch.take(Line { key, data }, calls) {
                // Whoever sends has failed and tells why.
                return Ok(());
            }
        }
    }
    batch.send(calls);
    Ok(())
}

fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = std::fs::File::open(file).with_context(|| format!("could not open {}", file.display()))?;
    let reader: Box<dyn Read> = match file.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(opened)?),
        _ => Box::new(opened),
    };
    Ok(Box::new(BufReader::with_capacity(1 << 20, reader)))
}

/// The partition key of a record: the one given, a member of the JSON in it, or one of its own.
fn key_of(arguments: &PutArguments, data: &[u8], number: u64) -> Result<String> {
    if let Some(key) = &arguments.partition_key {
        return Ok(key.clone());
    }
    let Some(member) = &arguments.key_member else {
        return Ok(format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    };
    let value: Value = serde_json::from_slice(data).context("it is no JSON, which --key-member needs")?;
    let key = match &value[member] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    ensure!(!key.is_empty(), "it has no member {member:?}");
    Ok(key)
}

#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    bytes: usize,
}

impl Batch {
    /// `false` once nobody takes lines any more.
    fn take(&mut self, line: Line, calls: &mpsc::Sender<Vec<Line>>) -> bool {
        let bytes = line.key.len() + line.data.len();
        if self.lines.len() == RECORDS_PER_CALL || self.bytes + bytes > BYTES_PER_CALL {
            let sent = self.send(calls);
            if !sent {
                return false;
            }
        }
        self.bytes += bytes;
        self.lines.push(line);
        true
    }

    fn send(&mut self, calls: &mpsc::Sender<Vec<Line>>) -> bool {
        self.bytes = 0;
        let lines = std::mem::take(&mut self.lines);
        lines.is_empty() || calls.blocking_send(lines).is_ok()
    }
}

/// Puts the lines, those again that were refused for their rate, and returns how many there were and their bytes.
async fn put(client: &Client, stream: &str, lines: Vec<Line>) -> Result<(u64, u64)> {
    let count = lines.len() as u64;
    let bytes = lines.iter().map(|line| line.data.len() as u64 + 1).sum();
    let (mut left, mut pause) = (lines, FIRST_PAUSE);
    for _ in 0..RETRIES_MAX {
        let records: Vec<Value> = left
            .iter()
            .map(|line| json!({ "PartitionKey": line.key, "Data": STANDARD.encode(&line.data) }))
            .collect();
        let answer = client
            .call(
                KINESIS,
                "PutRecords",
                &json!({ "StreamName": stream, "Records": records }),
            )
            .await?;
        let results = answer["Records"].as_array().map_or(&[][..], Vec::as_slice);
        ensure!(
            results.len() == left.len(),
            "PutRecords answered {} of {}",
            results.len(),
            left.len()
        );
        let refused = left
            .into_iter()
            .zip(results)
            .filter(|(_, result)| result["ErrorCode"].is_string());
        left = refused.map(|(line, _)| line).collect();
        if left.is_empty() {
            return Ok((count, bytes));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    anyhow::bail!("{} records were refused {RETRIES_MAX} times", left.len())
}
