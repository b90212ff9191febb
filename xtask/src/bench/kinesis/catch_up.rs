//! Reading everything back with GetRecords, as a consumer does that has fallen behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use serde_json::{Value, json};

use crate::bench::table::Line;
use crate::load::{Connection, on_threads, percentile, request};
use crate::server::Server;

/// Once in each record, and never in base64.
const MARK: &[u8] = b"\"SequenceNumber\":";
/// The end of a page says where to go on and how far behind it is, and is not longer than this.
const END_BYTES: usize = 4 << 10;

pub(super) struct CaughtUp {
    pub(super) records: usize,
    took: Duration,
    /// Of each page, sorted.
    times: Vec<Duration>,
}

/// Reads all shards from the beginning. The connections, one for each core, take a shard each until none is left.
pub(super) fn read_all(server: &Server, stream: &str) -> Result<CaughtUp> {
    let shards = shards(server, stream)?;
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism()?.get();
    let began = Instant::now();
    let read = on_threads(cores.min(shards.len()), |_| {
        let mut connection = Connection::open(server.address)?;
        let (mut records, mut times) = (0, Vec::new());
        while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
            records += read_shard(&mut connection, stream, shard, &mut times)?;
        }
        Ok((records, times))
    })?;
    let took = began.elapsed();
    let records = read.iter().map(|(records, _)| records).sum();
    let mut times = read.into_iter().flat_map(|(_, times)| times).collect::<Vec<_>>();
    times.sort_unstable();
    Ok(CaughtUp { records, took, times })
}

impl CaughtUp {
    /// Whether all acknowledged records are there, and no more than those that nobody had an answer to.
    pub(super) fn check(&self, acknowledged: usize, unanswered: usize) -> Result<()> {
        ensure!(
            (acknowledged..=acknowledged + unanswered).contains(&self.records),
            "{acknowledged} records were acknowledged, at most {unanswered} more were sent, and {} came back",
            self.records
        );
        Ok(())
    }

    pub(super) fn line<'a>(&self, name: &'a str, record_bytes: usize) -> Line<'a> {
        Line {
            name,
            rate: Some((self.records as f64 / self.took.as_secs_f64(), record_bytes)),
            p50: Some(percentile(&self.times, 0.5)),
            p99: Some(percentile(&self.times, 0.99)),
            note: format!("{} pages", self.times.len()),
        }
    }
}

fn shards(server: &Server, stream: &str) -> Result<Vec<String>> {
    let mut shards = Vec::new();
    let mut input = json!({ "StreamName": stream });
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

/// Returns how many records the shard has.
fn read_shard(connection: &mut Connection, stream: &str, shard: &str, times: &mut Vec<Duration>) -> Result<usize> {
    let input = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let (_, answer) = connection.exchange(&request("GetShardIterator", input.to_string().as_bytes()))?;
    let answer = serde_json::from_slice::<Value>(answer)?;
    let mut iterator = answer["ShardIterator"].as_str().context("no iterator")?.to_owned();
    let mut records = 0;
    loop {
        let body = format!(r#"{{"ShardIterator":"{iterator}","Limit":10000}}"#);
        let mut page = Page::default();
        let sent = Instant::now();
        let status = connection.exchange_in_parts(&request("GetRecords", body.as_bytes()), |part| page.push(part))?;
        times.push(sent.elapsed());
        ensure!(
            status == 200,
            "GetRecords: {status} {}",
            String::from_utf8_lossy(&page.end)
        );
        records += page.records;
        let end = page.fields()?;
        if end["MillisBehindLatest"] == 0 {
            return Ok(records);
        }
        iterator = end["NextShardIterator"]
            .as_str()
            .context("no next iterator")?
            .to_owned();
    }
}

/// What a client needs of a page, found while the page comes.
#[derive(Default)]
struct Page {
    records: usize,
    /// The last bytes so far.
    end: Vec<u8>,
}

impl Page {
    fn push(&mut self, part: &[u8]) {
        // A mark may begin in one part and end in the next.
        let overlap = MARK.len() - 1;
        let mut seam = self.end[self.end.len().saturating_sub(overlap)..].to_vec();
        seam.extend_from_slice(&part[..part.len().min(overlap)]);
        self.records += memmem::find_iter(&seam, MARK).count() + memmem::find_iter(part, MARK).count();
        self.end
            .extend_from_slice(&part[part.len().saturating_sub(END_BYTES)..]);
        self.end.drain(..self.end.len().saturating_sub(END_BYTES));
    }

    /// The members behind the records.
    fn fields(&self) -> Result<Value> {
        let at = memmem::rfind(&self.end, b"\"NextShardIterator\":").context("no next iterator")?;
        Ok(serde_json::from_slice(&[b"{", &self.end[at..]].concat())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_however_a_page_is_cut() {
        let record = r#"{"SequenceNumber":"1","Data":"AAAA"}"#;
        let page = format!(r#"{{"Records":[{record},{record}],"NextShardIterator":"x","MillisBehindLatest":7}}"#);
        for bytes in 1..page.len() {
            let mut read = Page::default();
            page.as_bytes().chunks(bytes).for_each(|part| read.push(part));
            assert_eq!(read.records, 2, "in parts of {bytes} bytes");
            assert_eq!(
                read.fields().expect("reads"),
                json!({ "NextShardIterator": "x", "MillisBehindLatest": 7 })
            );
        }
    }
}
