//! A large volume: how much memory it takes, and how long a start takes after a kill in the middle of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::put::{self, RECORDS_PER_CALL};
use super::{Bench, catch_up};
use crate::bench::table::Line;
use crate::load::{self, Connection, on_threads};
use crate::server::Server;

const STREAM: &str = "volume";
const SHARDS: usize = 4;
const RECORD_BYTES: usize = 1024;
/// Between two looks at the server's memory.
const SAMPLE_PAUSE: Duration = Duration::from_millis(100);

/// Writes so many gigabytes of data, kills the server while it writes on, starts it again and counts.
pub(super) fn measure(bench: &Bench<'_>, gigabytes: usize) -> Result<()> {
    let (mut server, directory) = bench.server()?;
    server.create(STREAM, SHARDS)?;
    let wanted = gigabytes * 1_000_000_000 / RECORD_BYTES;
    let connections = bench.arguments.connections;
    let idle_mib = server.resident_mib()?;
    let written = write(&mut server, connections, wanted)?;
    Line {
        name: &format!("{gigabytes} GB in PutRecords x{RECORDS_PER_CALL} of {RECORD_BYTES} B"),
        rate: Some((wanted as f64 / written.took.as_secs_f64(), RECORD_BYTES)),
        note: format!(
            "resident: {idle_mib} MiB before, {} at most, {} at the end",
            written.resident_max_mib, written.resident_mib
        ),
        ..Line::default()
    }
    .print();
    let began = Instant::now();
    server = bench.server_on(&directory)?;
    server.call("DescribeStreamSummary", &json!({ "StreamName": STREAM }))?;
    Line {
        name: "  from the start after kill -9 to an answer",
        p50: Some(began.elapsed()),
        note: format!("resident: {} MiB", server.resident_mib()?),
        ..Line::default()
    }
    .print();
    let read = catch_up::read_all(&server, STREAM)?;
    // Each connection had a call under way when the server was killed.
    read.check(written.acknowledged, connections * RECORDS_PER_CALL)?;
    read.line("  all of it read back with GetRecords", RECORD_BYTES).print();
    println!(
        "  {} records acknowledged, {} there; server: {} MiB resident",
        written.acknowledged,
        read.records,
        server.resident_mib()?
    );
    drop(server);
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

struct Written {
    /// By the time the server was gone.
    acknowledged: usize,
    /// Until as many as wanted were acknowledged.
    took: Duration,
    resident_max_mib: u64,
    resident_mib: u64,
}

/// Puts until so many records are acknowledged, and goes on putting until the server is killed.
fn write(server: &mut Server, connections: usize, wanted: usize) -> Result<Written> {
    let requests = put::bodies(STREAM, RECORD_BYTES, RECORDS_PER_CALL);
    let (acknowledged, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let address = server.address;
    let began = Instant::now();
    let mut resident_max_mib = 0;
    let (took, resident_mib) = thread::scope(|scope| {
        let writers = scope.spawn(|| {
            on_threads(connections, |worker| {
                let mut connection = Connection::open(address)?;
                for request in requests.iter().cycle().skip(worker) {
                    match load::put(&mut connection, request) {
                        Ok(()) => drop(acknowledged.fetch_add(RECORDS_PER_CALL, Ordering::Relaxed)),
                        Err(_) if killed.load(Ordering::Acquire) => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        });
        while acknowledged.load(Ordering::Relaxed) < wanted && !writers.is_finished() {
            resident_max_mib = resident_max_mib.max(server.resident_mib()?);
            thread::park_timeout(SAMPLE_PAUSE);
        }
        let (took, resident_mib) = (began.elapsed(), server.resident_mib()?);
        killed.store(true, Ordering::Release);
        server.kill()?;
        match writers.join() {
            Ok(Ok(_)) => Ok((took, resident_mib)),
            Ok(Err(error)) => Err(error),
            Err(_) => anyhow::bail!("the writers panicked"),
        }
    })?;
    let acknowledged = acknowledged.into_inner();
    ensure!(acknowledged >= wanted, "the writers ended before all was written");
    Ok(Written {
        acknowledged,
        took,
        resident_max_mib: resident_max_mib.max(resident_mib),
        resident_mib,
    })
}
