//! From before a put to when its object can be read, where nothing is to be buffered.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Arguments;
use super::lake::{Lake, put_request};
use crate::bench::table::Line;
use crate::load::{self, Connection, percentile};

const PREFIX: &str = "visible/";
const RECORD_BYTES: usize = 1024;
/// Between two puts.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the reader waits for a record.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn measure(arguments: &Arguments, lake: &Lake) -> Result<()> {
    let buffering = json!({ "SizeInMBs": 1, "IntervalInSeconds": 0 });
    lake.create(&json!({ "Prefix": PREFIX, "BufferingHints": buffering }))?;
    let (puts, seen) = put_and_look(lake.server.address, arguments.seconds)?;
    let line = |name, times: &[Duration], note| {
        Line {
            name,
            rate: None,
            p50: Some(percentile(times, 0.5)),
            p99: Some(percentile(times, 0.99)),
            note,
        }
        .print();
    };
    line("PutRecord, one every 10 ms, no buffering", &puts, String::new());
    let note = format!(
        "{} records, each once, in {} objects",
        seen.len(),
        lake.found()?.objects
    );
    line("  put to what GetObject gives", &seen, note);
    Ok(())
}

/// Puts for so long while a reader lists and gets objects. Gives the times that puts took and those until the records
/// were read, both sorted.
fn put_and_look(address: SocketAddr, seconds: u64) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (began, ended) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let reading = scope.spawn(|| look(address, began, &ended));
        let mut connection = Connection::open(address)?;
        let mut sent = Vec::new();
        let mut puts = Vec::new();
        while began.elapsed() < Duration::from_secs(seconds) && !reading.is_finished() {
            let before = began.elapsed();
            let text = format!("{} ", sent.len());
            let data = STANDARD.encode(format!("{text:x<RECORD_BYTES$}"));
            load::put(&mut connection, &put_request(&[data]))?;
            sent.push(before);
            puts.push(began.elapsed() - before);
            thread::park_timeout(PAUSE);
        }
        // The reader goes on until it has found this one.
        load::put(&mut connection, &put_request(&[STANDARD.encode(LAST)]))?;
        ended.store(true, Ordering::Release);
        let mut found = reading.join().unwrap_or_else(|_| bail!("the reader panicked"))?;
        let seen = sent.iter().enumerate().map(|(number, sent)| {
            let seen = found.remove(&number.to_string());
            seen.map(|seen| seen - *sent)
                .with_context(|| format!("record {number} was not found"))
        });
        let mut seen = seen.collect::<Result<Vec<_>>>()?;
        ensure!(found.is_empty(), "records were found that were not put: {found:?}");
        puts.sort_unstable();
        seen.sort_unstable();
        Ok((puts, seen))
    })
}

/// The record that ends the reading.
const LAST: &str = "last";

/// By a record's number, when its object was read.
fn look(address: SocketAddr, began: Instant, ended: &AtomicBool) -> Result<HashMap<String, Duration>> {
    let mut connection = Connection::open(address)?;
    let mut found = HashMap::new();
    let mut known = BTreeSet::new();
    let mut ended_at = None;
    let mut is_last_there = false;
    loop {
        // What was listed before the end was asked for has been read, and then there is nothing else to come.
        let last_round = is_last_there;
        let keys = Lake::list(&mut connection, PREFIX, &listed_from(&known))?;
        for key in keys {
            if known.contains(&key) {
                continue;
            }
            let content = Lake::read(&mut connection, &key)?;
            let now = began.elapsed();
            for record in content.lines() {
                let number = record.split(' ').next().unwrap_or_default();
                if number == LAST {
                    is_last_there = true;
                } else {
                    ensure!(
                        found.insert(number.to_owned(), now).is_none(),
                        "record {number} is there twice"
                    );
                }
            }
            known.insert(key);
        }
        if last_round {
            return Ok(found);
        }
        if ended.load(Ordering::Acquire) {
            let since = *ended_at.get_or_insert_with(Instant::now);
            ensure!(since.elapsed() < PATIENCE, "the last record did not come");
        }
    }
}

/// Where listing begins: names tell the second that an object is from and nothing finer, and objects of two seconds
/// can come in any order.
fn listed_from(known: &BTreeSet<String>) -> String {
    const UUID_CHARS: usize = 36;
    let second = |key: &str| key[..key.len() - UUID_CHARS].to_owned();
    let Some(newest) = known.last().map(|key| second(key)) else {
        return String::new();
    };
    let before = known.range(..newest).next_back().map(|key| second(key));
    before.unwrap_or_default()
}
