//! `catchment tail`: follows a stream.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base::{Clock, human_count};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::TailArguments;
use crate::client::{Client, KINESIS};
use crate::commands::serve::runtime;

/// At the tip of a shard it is asked again this often, as the service allows.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How many pages wait to be printed.
const PAGES_AHEAD: usize = 8;
const RATE_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &TailArguments) -> Result<()> {
    runtime()?.block_on(async {
        tokio::select! {
            ended = follow(arguments) => ended,
            // What was printed is what is wanted.
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// What a shard's reader has found.
enum Found {
    Page {
        shard: String,
        records: Vec<Value>,
    },
    /// The shard has ended; these go on.
    Ended {
        shard: String,
        children: Vec<String>,
    },
    /// Nothing more for now.
    Tip {
        shard: String,
    },
}

async fn follow(arguments: &TailArguments) -> Result<()> {
    let client = arguments.server.client();
    let start = Start::parse(&arguments.from, Clock::system().now_ms())?;
    let (found, mut finds) = mpsc::channel(PAGES_AHEAD);
    let mut readers = JoinSet::new();
    let mut read = HashSet::new();
    let mut begin = |shard: String, start: Start, readers: &mut JoinSet<Result<()>>| {
        if read.insert(shard.clone()) {
            let (client, found, stream) = (client.clone(), found.clone(), arguments.stream.clone());
            readers.spawn(read_shard(client, stream, shard, start, found));
        }
    };
    let shards = match &arguments.shard {
        Some(shard) => vec![shard.clone()],
        None => start.shards(&arguments.server.client(), &arguments.stream).await?,
    };
    let mut at_work: HashSet<String> = shards.iter().cloned().collect();
    for shard in shards {
        begin(shard, start.clone(), &mut readers);
    }
    let mut printer = Printer::new(arguments);
    loop {
        let find = tokio::select! {
            find = finds.recv() => find,
            Some(ended) = readers.join_next() => {
                ended.context("a reader ended")??;
                continue;
            }
        };
        match find {
            Some(Found::Page { shard, records }) => {
                if !printer.page(&shard, &records)? {
                    return Ok(());
                }
            }
            Some(Found::Ended { shard, children }) => {
                at_work.remove(&shard);
                for child in children.into_iter().filter(|_| arguments.shard.is_none()) {
                    at_work.insert(child.clone());
                    begin(child, Start::Oldest, &mut readers);
                }
            }
            Some(Found::Tip { shard }) if arguments.no_follow => drop(at_work.remove(&shard)),
            Some(Found::Tip { .. }) => {}
            None => return Ok(()),
        }
        if at_work.is_empty() {
            return Ok(());
        }
    }
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq)]
enum Start {
    Oldest,
    Latest,
    /// Milliseconds since the epoch.
    At(i64),
}

impl Start {
    fn parse(text: &str, now_ms: i64) -> Result<Self> {
        match text {
            "oldest" => return Ok(Self::Oldest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(time.timestamp_millis()));
        }
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit_ms = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        match number.parse::<i64>() {
            Ok(number) if unit_ms > 0 => Ok(Self::At(now_ms - number.saturating_mul(unit_ms))),
            _ => bail!(
                "{text:?} is no place to begin: oldest, latest, a time like 2026-01-31T12:00:00Z, or 15m ago as 15m"
            ),
        }
    }

    /// The shards to begin with; those that come later are their children.
    async fn shards(&self, client: &Client, stream: &str) -> Result<Vec<String>> {
        let filter = match self {
            Self::Oldest => json!({ "Type": "AT_TRIM_HORIZON" }),
            Self::Latest => json!({ "Type": "AT_LATEST" }),
            Self::At(ms) => json!({ "Type": "AT_TIMESTAMP", "Timestamp": *ms as f64 / 1000.0 }),
        };
        let mut input = json!({ "StreamName": stream, "ShardFilter": filter });
        let mut shards = Vec::new();
        loop {
            let answer = client.call(KINESIS, "ListShards", &input).await?;
            let page = answer["Shards"].as_array().into_iter().flatten();
            shards.extend(page.filter_map(|shard| shard["ShardId"].as_str().map(str::to_owned)));
            match answer["NextToken"].as_str() {
                Some(token) => input = json!({ "NextToken": token }),
                None => return Ok(shards),
            }
        }
    }

    fn iterator(&self, stream: &str, shard: &str) -> Value {
        let mut input = json!({ "StreamName": stream, "ShardId": shard });
        match self {
            Self::Oldest => input["ShardIteratorType"] = "TRIM_HORIZON".into(),
            Self::Latest => input["ShardIteratorType"] = "LATEST".into(),
            Self::At(ms) => {
                input["ShardIteratorType"] = "AT_TIMESTAMP".into();
                input["Timestamp"] = json!(*ms as f64 / 1000.0);
            }
        }
        input
    }
}

async fn read_shard(
    client: Client,
    stream: String,
    shard: String,
    start: Start,
    found: mpsc::Sender<Found>,
) -> Result<()> {
    let input = start.iterator(&stream, &shard);
    let answer = client.call(KINESIS, "GetShardIterator", &input).await?;
    let mut iterator = answer["ShardIterator"].as_str().unwrap_or_default().to_owned();
    loop {
        let mut answer = client
            .call(KINESIS, "GetRecords", &json!({ "ShardIterator": iterator }))
            .await?;
        let records = match answer["Records"].take() {
            Value::Array(records) => records,
            _ => Vec::new(),
        };
        let is_at_tip = answer["MillisBehindLatest"].as_u64() == Some(0);
        let shard = shard.clone();
        if !records.is_empty() {
            let shard = shard.clone();
            // A send fails only when everything ends.
            drop(found.send(Found::Page { shard, records }).await);
        }
        let Some(next) = answer["NextShardIterator"].as_str() else {
            let children = answer["ChildShards"].as_array().into_iter().flatten();
            let children = children
                .filter_map(|child| child["ShardId"].as_str().map(str::to_owned))
                .collect();
            drop(found.send(Found::Ended { shard, children }).await);
            return Ok(());
        };
        iterator = next.to_owned();
        if is_at_tip {
            drop(found.send(Found::Tip { shard }).await);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

struct Printer {
    is_raw: bool,
    is_pretty: bool,
    left: Option<u64>,
    rate: ProgressBar,
    since: Instant,
    records: u64,
}

impl Printer {
    fn new(arguments: &TailArguments) -> Self {
        let terminal = std::io::stdout().is_terminal();
        // Under records that scroll by, and nowhere else.
        let rate = match std::io::stderr().is_terminal() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        Self {
            is_raw: arguments.raw,
            is_pretty: arguments.pretty || terminal,
            left: arguments.count,
            rate,
            since: Instant::now(),
            records: 0,
        }
    }

    /// `false` once enough has been printed.
    fn page(&mut self, shard: &str, records: &[Value]) -> Result<bool> {
        let mut out = Vec::new();
        for record in records {
            if self.left == Some(0) {
                break;
            }
            self.record(shard, record, &mut out)?;
            self.left = self.left.map(|left| left - 1);
            self.records += 1;
        }
        let printed = self.rate.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&out).and_then(|()| stdout.flush())
        });
        match printed {
            // Whoever read has enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(false),
            other => other?,
        }
        let elapsed = self.since.elapsed();
        if elapsed >= RATE_EVERY {
            let rate = (self.records as f64 / elapsed.as_secs_f64()) as u64;
            self.rate.set_message(format!("{} records/s", human_count(rate)));
            self.rate.tick();
            (self.since, self.records) = (Instant::now(), 0);
        }
        Ok(self.left != Some(0))
    }

    fn record(&self, shard: &str, record: &Value, out: &mut Vec<u8>) -> Result<()> {
        let data = STANDARD.decode(record["Data"].as_str().unwrap_or_default())?;
        if self.is_raw {
            out.extend_from_slice(&data);
            out.push(b'\n');
            return Ok(());
        }
        let arrived_ms = (record["ApproximateArrivalTimestamp"].as_f64().unwrap_or_default() * 1000.0).round() as i64;
        let arrived = DateTime::<Utc>::from_timestamp_millis(arrived_ms).unwrap_or_default();
        let head = json!({
            "arrived": arrived.to_rfc3339_opts(SecondsFormat::Millis, true),
            "shard": shard,
            "sequence_number": record["SequenceNumber"],
            "partition_key": record["PartitionKey"],
        });
        let mut line = head;
        match (serde_json::from_slice::<Value>(&data), String::from_utf8(data)) {
            (Ok(value), _) => line["data"] = value,
            (_, Ok(text)) => line["data"] = text.into(),
            (_, Err(bytes)) => line["base64"] = STANDARD.encode(bytes.as_bytes()).into(),
        }
        if self.is_pretty {
            serde_json::to_writer_pretty(&mut *out, &line)?;
        } else {
            serde_json::to_writer(&mut *out, &line)?;
        }
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_begin() {
        let now_ms = 1_800_000_000_000;
        for (text, start) in [
            ("oldest", Start::Oldest),
            ("latest", Start::Latest),
            ("15m", Start::At(now_ms - 900_000)),
            ("2d", Start::At(now_ms - 172_800_000)),
            ("2026-01-31T12:00:00Z", Start::At(1_769_860_800_000)),
        ] {
            assert_eq!(Start::parse(text, now_ms).expect(text), start);
        }
        for text in ["", "15", "m", "yesterday", "15x", "-5m"] {
            assert!(Start::parse(text, now_ms).is_err(), "{text:?}");
        }
    }
}
