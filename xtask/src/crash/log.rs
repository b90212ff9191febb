//! Shards under load while they are split and merged: every acknowledged record is there, once, where the answer said,
//! and in order.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Random, Subject, base64, id_of, lock, stream};
use crate::load::{Connection, request};
use crate::server::Server;

const STREAM: &str = "crashed";
const RECORDS_MAX: u64 = 40;
const KEYS_PER_WRITER: u64 = 5;
/// Between two changes of the shards.
const RESHARD_PAUSE: Duration = Duration::from_millis(60);
const SHARDS_MAX: u64 = 16;

/// A record that was acknowledged: where the answer said it is.
struct Acknowledged {
    id: String,
    shard: String,
    sequence: String,
}

/// What all rounds have in common.
pub(super) struct LogRun {
    reshards_too: bool,
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Per writer, the next number. Numbers of calls without an answer are not used again.
    next: Vec<AtomicU64>,
    reshards: AtomicU64,
}

impl LogRun {
    pub(super) fn new(writers: u64, reshards_too: bool) -> Self {
        Self {
            reshards_too,
            acknowledged: Mutex::default(),
            next: (0..writers).map(|_| AtomicU64::new(0)).collect(),
            reshards: AtomicU64::new(0),
        }
    }
}

impl Subject for LogRun {
    fn prepare(&self, server: &Server) -> Result<()> {
        server.create(STREAM, 4)
    }

    fn work<'s>(
        &'s self,
        scope: &'s thread::Scope<'s, '_>,
        address: SocketAddr,
        stop: &'s AtomicBool,
        random: &mut Random,
    ) {
        for writer in 0..self.next.len() {
            let mut random = random.apart();
            scope.spawn(move || write(self, address, writer, stop, &mut random));
        }
        if self.reshards_too {
            let mut random = random.apart();
            scope.spawn(move || reshard(self, address, stop, &mut random));
        }
    }

    fn count(&self, server: &Server, _: &Path) -> Result<String> {
        let (acknowledged, found, shards) = count(self, server)?;
        let (more, changes) = (found - acknowledged, self.reshards.load(Ordering::Relaxed));
        Ok(format!(
            "{acknowledged} records acknowledged, each there once; {more} more of calls without an answer; {shards} \
             shards after {changes} changes"
        ))
    }
}

/// Puts records until the server is gone, and keeps what was acknowledged.
fn write(run: &LogRun, address: SocketAddr, writer: usize, stop: &AtomicBool, random: &mut Random) {
    let Ok(mut connection) = Connection::open(address) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let count = random.within(1..RECORDS_MAX);
        let first = run.next[writer].fetch_add(count, Ordering::Relaxed);
        let ids: Vec<String> = (first..first + count)
            .map(|number| format!("{writer}-{number}"))
            .collect();
        let records: Vec<Value> = ids
            .iter()
            .zip(first..)
            .map(|(id, number)| {
                let padding = "A".repeat(4 * random.within(0..300) as usize);
                json!({ "PartitionKey": format!("{writer}/{}", number % KEYS_PER_WRITER), "Data": format!("{}{padding}", base64(id)) })
            })
            .collect();
        let body = json!({ "StreamName": STREAM, "Records": records }).to_string();
        let Ok((200, answer)) = connection.exchange(&request("PutRecords", body.as_bytes())) else {
            return;
        };
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let results = answer["Records"].as_array().into_iter().flatten();
        let acknowledged = ids.into_iter().zip(results).map(|(id, result)| Acknowledged {
            id,
            shard: text(&result["ShardId"]),
            sequence: text(&result["SequenceNumber"]),
        });
        lock(&run.acknowledged).extend(acknowledged);
    }
}

/// Changes the number of shards until the server is gone.
fn reshard(run: &LogRun, address: SocketAddr, stop: &AtomicBool, random: &mut Random) {
    let Ok(mut connection) = Connection::open(address) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let target = random.within(1..SHARDS_MAX + 1);
        let body = json!({ "StreamName": STREAM, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING" });
        match connection.exchange(&request("UpdateShardCount", body.to_string().as_bytes())) {
            Ok((200, _)) => drop(run.reshards.fetch_add(1, Ordering::Relaxed)),
            // More than twice or less than half as many at once.
            Ok(_) => {}
            Err(_) => return,
        }
        thread::park_timeout(RESHARD_PAUSE);
    }
}

/// A record as it is found.
struct Found {
    shard: String,
    sequence: String,
    key: String,
}

/// Reads everything and compares. Gives how many were acknowledged, how many are there, and how many shards.
fn count(run: &LogRun, server: &Server) -> Result<(usize, usize, usize)> {
    let mut found = HashMap::<String, Found>::new();
    let mut numbers = BTreeMap::<String, Vec<(String, u64)>>::new();
    let shards = stream::shards(server, STREAM)?;
    for shard in &shards {
        let mut last = String::new();
        stream::read(server, STREAM, shard, |record| {
            let id = id_of(record["Data"].as_str().unwrap_or_default())?;
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let record = Found {
                shard: shard.clone(),
                sequence: text("SequenceNumber"),
                key: text("PartitionKey"),
            };
            ensure!(
                record.sequence > last,
                "{shard}: {} does not follow {last}",
                record.sequence
            );
            last.clone_from(&record.sequence);
            let number = id.split('-').nth(1).and_then(|number| number.parse().ok());
            let number = number.with_context(|| format!("a record of somebody else: {id}"))?;
            numbers
                .entry(record.key.clone())
                .or_default()
                .push((record.sequence.clone(), number));
            if let Some(other) = found.insert(id.clone(), record) {
                anyhow::bail!(
                    "record {id} is there twice, once as {} in {}",
                    other.sequence,
                    other.shard
                );
            }
            Ok(())
        })?;
    }
    let acknowledged = lock(&run.acknowledged);
    for record in acknowledged.iter() {
        let there = found
            .get(&record.id)
            .with_context(|| format!("record {} was acknowledged in {} and is lost", record.id, record.shard))?;
        ensure!(
            (&there.shard, &there.sequence) == (&record.shard, &record.sequence),
            "record {} is in {} at {}, not where the answer said",
            record.id,
            there.shard,
            there.sequence
        );
    }
    for (key, mut all) in numbers {
        all.sort();
        ensure!(
            all.is_sorted_by_key(|(_, number)| *number),
            "the records of key {key} are out of order"
        );
    }
    Ok((acknowledged.len(), found.len(), shards.len()))
}
