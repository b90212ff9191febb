//! `catchment put`: lines into a stream.

use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base::{human_bytes, human_count};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::PutArguments;
use crate::client::{Client, KINESIS, ServiceError};
use crate::commands::serve::runtime;

/// What the service takes in one call, and room for a record beyond it.
const RECORDS_PER_CALL: usize = 500;
const BYTES_PER_CALL: usize = 4 << 20;
const CALLS_AT_ONCE: usize = 8;
/// What was refused for its rate, or by a service that was not well, is sent again, for so long.
const RETRIES_MAX: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A record to be put.
struct Line {
    key: String,
    data: Vec<u8>,
    place: Place,
}

/// Where a record was read.
#[derive(Clone)]
struct Place {
    file: Arc<Path>,
    line: u64,
}

/// What has been put.
#[derive(Default)]
struct Sent {
    records: u64,
    bytes: u64,
}

pub(crate) fn run(arguments: &PutArguments) -> Result<()> {
    let begun = Instant::now();
    let bar = progress(arguments);
    let mut sent = Sent::default();
    let runtime = runtime()?;
    let outcome = runtime.block_on(put_all(arguments, &bar, &mut sent));
    // Standard input may have no end.
    runtime.shutdown_background();
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} records, {} in {seconds:.1} s: {} records/s",
        human_count(sent.records),
        human_bytes(sent.bytes),
        human_count((sent.records as f64 / seconds.max(0.001)) as u64)
    );
    outcome
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

/// Puts until all is put or something cannot be; what is under way then is waited for, so that `sent` is what is there.
async fn put_all(arguments: &PutArguments, bar: &ProgressBar, sent: &mut Sent) -> Result<()> {
    let client = arguments.server.client();
    let (calls, mut waiting) = mpsc::channel(CALLS_AT_ONCE);
    let given = arguments.clone();
    let reading = tokio::task::spawn_blocking(move || read_all(&given, &calls));
    // One at a time where the order within a key matters.
    let at_once = if arguments.ordered { 1 } else { CALLS_AT_ONCE };
    let mut under_way = FuturesUnordered::new();
    let (mut outcome, mut is_read) = (Ok(()), false);
    loop {
        tokio::select! {
            lines = waiting.recv(), if !is_read && outcome.is_ok() && under_way.len() < at_once => match lines {
                Some(lines) => under_way.push(put(&client, &arguments.stream, lines, bar)),
                None => is_read = true,
            },
            Some((put, answer)) = under_way.next() => {
                sent.records += put.records;
                sent.bytes += put.bytes;
                bar.inc(put.bytes);
                outcome = outcome.and(answer);
            }
            else => break,
        }
    }
    // What cannot be read is why the calls ended.
    outcome.and(if is_read {
        reading.await.context("reading failed")?
    } else {
        Ok(())
    })
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
    for name in files {
        let mut lines = open(name)?;
        let file: Arc<Path> = name.as_path().into();
        for line in 1.. {
            let mut data = Vec::new();
            let read = lines.read_until(b'\n', &mut data);
            let place = Place {
                file: file.clone(),
                line,
            };
            if read.with_context(|| format!("could not read {place}"))? == 0 {
                break;
            }
            while data.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                data.pop();
            }
            if data.is_empty() {
                continue;
            }
            number += 1;
            let key = match key_of(arguments, &data, number) {
                Ok(key) => key,
                Err(error) => {
                    // What came before it is sound.
                    batch.send(calls);
                    return Err(error.context(place.to_string()));
                }
            };
            if !batch.take(Line { key, data, place }, calls) {
                // Whoever sends has failed and tells why.
                return Ok(());
            }
        }
    }
    batch.send(calls);
    Ok(())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.to_str() {
            Some("-") => write!(f, "standard input, line {}", self.line),
            _ => write!(f, "{}, line {}", self.file.display(), self.line),
        }
    }
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

/// Puts the lines, and those again that were refused for a reason that passes. Gives what was put whatever happens.
async fn put(client: &Client, stream: &str, lines: Vec<Line>, bar: &ProgressBar) -> (Sent, Result<()>) {
    let size = |lines: &[Line]| Sent {
        records: lines.len() as u64,
        bytes: lines.iter().map(|line| line.data.len() as u64 + 1).sum(),
    };
    let all = size(&lines);
    let mut left = lines;
    let outcome = put_again(client, stream, &mut left, bar).await;
    let not_put = size(&left);
    let put = Sent {
        records: all.records - not_put.records,
        bytes: all.bytes - not_put.bytes,
    };
    let outcome = outcome.with_context(|| match &*left {
        [] => "a call failed".to_owned(),
        [one] => format!("the record of {} was not put", one.place),
        [first, .., last] if first.place.file == last.place.file => {
            let (left, place, line) = (left.len(), &first.place, last.place.line);
            format!("{left} records of {place} to {line} were not put")
        }
        [first, .., last] => format!(
            "{} records of {} to {} were not put",
            left.len(),
            first.place,
            last.place
        ),
    });
    (put, outcome)
}

async fn put_again(client: &Client, stream: &str, left: &mut Vec<Line>, bar: &ProgressBar) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let why = match put_once(client, stream, left).await {
            Ok(None) => {
                bar.set_message("");
                return Ok(());
            }
            Ok(Some(why)) => why,
            Err(error) if error.downcast_ref().is_some_and(ServiceError::is_passing) => error.to_string(),
            Err(error) => return Err(error),
        };
        ensure!(attempt <= RETRIES_MAX, "refused {attempt} times, last with {why}");
        bar.set_message(format!("again after {why}"));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(())
}

/// What is refused is left, and the first reason is given.
async fn put_once(client: &Client, stream: &str, left: &mut Vec<Line>) -> Result<Option<String>> {
    let records: Vec<Value> = left
        .iter()
        .map(|line| json!({ "PartitionKey": line.key, "Data": STANDARD.encode(&line.data) }))
        .collect();
    let input = json!({ "StreamName": stream, "Records": records });
    let answer = client.call(KINESIS, "PutRecords", &input).await?;
    let results = answer["Records"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(
        results.len() == left.len(),
        "PutRecords answered {} of {}",
        results.len(),
        left.len()
    );
    let mut why = None;
    let mut results = results.iter();
    left.retain(|_| {
        let result = results.next().unwrap_or(&Value::Null);
        let Some(code) = result["ErrorCode"].as_str() else {
            return false;
        };
        let message = result["ErrorMessage"].as_str().unwrap_or_default();
        why.get_or_insert_with(|| format!("{code}: {message}"));
        true
    });
    Ok(why)
}
