//! `cargo xtask crash`: kills the real server at random moments, under load and while its shards are split and
//! merged, and counts: every acknowledged record is there, once, where the answer said, and in order.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::load::{Connection, request};
use crate::server::Server;

const STREAM: &str = "crashed";
const RECORDS_MAX: u64 = 40;
const KEYS_PER_WRITER: u64 = 5;
/// The server lives for so long under load before it is killed.
const LIFE_MS: std::ops::Range<u64> = 20..500;
/// Between two changes of the shards.
const RESHARD_PAUSE: Duration = Duration::from_millis(60);
const SHARDS_MAX: u64 = 16;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The binary to kill. The release binary, built first, where none is given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the data directory is made.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    #[arg(long, default_value_t = 4)]
    writers: u64,
    /// After how many kills everything is counted; at the end it is in any case.
    #[arg(long, default_value_t = 25)]
    count_every: u64,
    /// Leave the shards as they are.
    #[arg(long)]
    no_resharding: bool,
    /// The same kills again. Taken from the clock where none is given, and printed.
    #[arg(long)]
    seed: Option<u64>,
}

/// A record that was acknowledged: where the answer said it is.
struct Acknowledged {
    id: String,
    shard: String,
    sequence: String,
}

/// What all rounds have in common.
struct Run {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Per writer, the next number. Numbers of calls without an answer are not used again.
    next: Vec<AtomicU64>,
    reshards: AtomicU64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => crate::build_release()?,
    };
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = arguments.directory.join(format!("crash-{}", std::process::id()));
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) << 20);
    println!("seed {seed}, data in {}", directory.display());
    let outcome = kill_and_count(arguments, &binary, &directory, seed);
    if outcome.is_ok() {
        std::fs::remove_dir_all(&directory)?;
    }
    outcome
}

fn kill_and_count(arguments: &Arguments, binary: &Path, directory: &Path, seed: u64) -> Result<()> {
    let run = Run {
        acknowledged: Mutex::default(),
        next: (0..arguments.writers).map(|_| AtomicU64::new(0)).collect(),
        reshards: AtomicU64::new(0),
    };
    let mut random = Random(seed | 1);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    Server::start(binary, directory)?.create(STREAM, 4)?;
    for kill in 1..=arguments.kills {
        let starting = Instant::now();
        let mut server = Server::start(binary, directory)?;
        slowest = slowest.max(starting.elapsed());
        let life = Duration::from_millis(random.within(LIFE_MS));
        live(&run, &mut server, life, &mut random, !arguments.no_resharding)?;
        if kill % arguments.count_every == 0 || kill == arguments.kills {
            let server = Server::start(binary, directory)?;
            let (acknowledged, found, shards) = count(&run, &server)?;
            println!(
                "{kill} kills in {:.0} s: {acknowledged} records acknowledged, each there once; {} more of calls without \
                 an answer; {shards} shards after {} changes; slowest start {} ms",
                began.elapsed().as_secs_f64(),
                found - acknowledged,
                run.reshards.load(Ordering::Relaxed),
                slowest.as_millis()
            );
        }
    }
    Ok(())
}

/// Has everybody work for a while and kills the server while calls are under way.
fn live(run: &Run, server: &mut Server, life: Duration, random: &mut Random, reshards: bool) -> Result<()> {
    let (stop, address) = (AtomicBool::new(false), server.address);
    thread::scope(|scope| {
        for writer in 0..run.next.len() {
            let (stop, mut random) = (&stop, Random(random.next() | 1));
            scope.spawn(move || write(run, address, writer, stop, &mut random));
        }
        if reshards {
            let (stop, mut random) = (&stop, Random(random.next() | 1));
            scope.spawn(move || reshard(run, address, stop, &mut random));
        }
        let until = Instant::now() + life;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        let killed = server.kill();
        stop.store(true, Ordering::Relaxed);
        killed
    })
}

/// Puts records until the server is gone, and keeps what was acknowledged.
fn write(run: &Run, address: SocketAddr, writer: usize, stop: &AtomicBool, random: &mut Random) {
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
fn reshard(run: &Run, address: SocketAddr, stop: &AtomicBool, random: &mut Random) {
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
fn count(run: &Run, server: &Server) -> Result<(usize, usize, usize)> {
    let mut found = HashMap::<String, Found>::new();
    let mut numbers = BTreeMap::<String, Vec<(String, u64)>>::new();
    let shards = shards(server)?;
    for shard in &shards {
        let mut last = String::new();
        read(server, shard, |record| {
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

fn shards(server: &Server) -> Result<Vec<String>> {
    let mut shards = Vec::new();
    let mut input = json!({ "StreamName": STREAM });
    loop {
        let answer = server.call("ListShards", &input)?;
        let page = answer["Shards"].as_array().into_iter().flatten();
        shards.extend(page.filter_map(|shard| shard["ShardId"].as_str().map(str::to_owned)));
        match answer["NextToken"].as_str() {
            Some(token) => input = json!({ "NextToken": token }),
            None => return Ok(shards),
        }
    }
}

fn read(server: &Server, shard: &str, mut each: impl FnMut(&Value) -> Result<()>) -> Result<()> {
    let input = json!({ "StreamName": STREAM, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = server.call("GetShardIterator", &input)?["ShardIterator"].clone();
    loop {
        let answer = server.call("GetRecords", &json!({ "ShardIterator": iterator }))?;
        let records = answer["Records"].as_array().context("no records")?;
        records.iter().try_for_each(&mut each)?;
        if answer["NextShardIterator"].is_null() || answer["MillisBehindLatest"] == 0 && records.is_empty() {
            return Ok(());
        }
        iterator = answer["NextShardIterator"].clone();
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The id, filled up with blanks so that nothing has to be padded.
fn base64(id: &str) -> String {
    let width = id.len().next_multiple_of(3);
    let padded = format!("{id:<width$}");
    let groups = padded.as_bytes().chunks_exact(3);
    let letters = groups.flat_map(|group| {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63] as char)
    });
    letters.collect()
}

/// The id in front of the zeros that fill a record up.
fn id_of(data: &str) -> Result<String> {
    let mut bytes = Vec::new();
    for group in data.as_bytes().chunks_exact(4) {
        let mut bits = 0;
        for letter in group {
            let value = ALPHABET.iter().position(|known| known == letter).context("no base64")?;
            bits = bits << 6 | value as u32;
        }
        bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        if bytes.contains(&0) {
            break;
        }
    }
    let id = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(std::str::from_utf8(id)?.trim_end().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Numbers that are the same for the same seed (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_base64_and_padding() {
        for id in ["0-0", "3-17", "12-12345", "1-99999999"] {
            assert_eq!(id_of(&base64(id)).expect("reads"), id);
            assert_eq!(id_of(&format!("{}AAAAAAAA", base64(id))).expect("reads"), id);
        }
    }
}
