//! PutRecords and PutRecord, durable.

use std::time::Duration;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Bench, catch_up};
use crate::bench::disk;
use crate::bench::table::Line;
use crate::load::{self, noise, request};

pub(super) const RECORDS_PER_CALL: usize = 500;
/// Different bodies, so that nothing in the server can live off one.
const BODIES: usize = 8;
/// The number of shards that others are compared with.
const USUAL_SHARDS: usize = 4;

/// PutRecords over each number of shards and reading all of it back, each on a server and a directory of its own,
/// so that none finds what another has left.
pub(super) fn many(bench: &Bench<'_>) -> Result<()> {
    let mut shard_counts = bench.arguments.shards.clone();
    // What others are compared with comes first.
    shard_counts.sort_by_key(|shards| *shards != USUAL_SHARDS);
    warm_up(bench)?;
    for bytes in bench.record_sizes() {
        let mut first: Option<(usize, f64)> = None;
        for shards in &shard_counts {
            let (server, directory) = bench.server()?;
            server.create("many", *shards)?;
            let done = load::run(
                server.address,
                &bodies("many", bytes, RECORDS_PER_CALL),
                bench.arguments.connections,
                bench.arguments.seconds,
            )?;
            let rate = done.per_second(RECORDS_PER_CALL);
            let compared = first.map(|(of, other)| format!("{:.2} of {of} shards", rate / other));
            first.get_or_insert((*shards, rate));
            let named = if *shards == 1 { "shard" } else { "shards" };
            Line {
                name: &format!("PutRecords x{RECORDS_PER_CALL} of {bytes} B, {shards} {named}"),
                rate: Some((rate, bytes)),
                p50: Some(done.percentile(0.5)),
                p99: Some(done.percentile(0.99)),
                note: compared.unwrap_or_default(),
            }
            .print();
            let read = catch_up::read_all(&server, "many")?;
            read.check(done.times.len() * RECORDS_PER_CALL, 0)?;
            read.line("  all of it read back with GetRecords", bytes).print();
            println!(
                "  server: {} MiB resident, {} s of CPU",
                server.resident_mib()?,
                server.cpu_seconds()?
            );
            drop(server);
            std::fs::remove_dir_all(directory)?;
        }
    }
    Ok(())
}

/// The first load on a machine at rest is slower than those after it. Nobody is to be compared with that one.
fn warm_up(bench: &Bench<'_>) -> Result<()> {
    let (server, directory) = bench.server()?;
    server.create("warm-up", USUAL_SHARDS)?;
    let requests = bodies("warm-up", 1024, RECORDS_PER_CALL);
    let seconds = bench.arguments.seconds.div_ceil(2);
    load::run(server.address, &requests, bench.arguments.connections, seconds)?;
    drop(server);
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// PutRecord over one and over many connections, beside what it cannot be faster than: the disk's own sync and the
/// round trip of a call that touches no disk.
pub(super) fn single(bench: &Bench<'_>) -> Result<()> {
    const BYTES: usize = 1024;
    let (server, directory) = bench.server()?;
    server.create("single", USUAL_SHARDS)?;
    let requests = bodies("single", BYTES, 1);
    let seconds = bench.arguments.seconds.div_ceil(2);
    let round_trips = load::run(server.address, &[request("DescribeLimits", b"{}")], 1, seconds)?;
    let round_trip = round_trips.percentile(0.5);
    Line {
        name: "DescribeLimits, 1 connection",
        rate: None,
        p50: Some(round_trip),
        p99: Some(round_trips.percentile(0.99)),
        note: "a round trip without the disk".to_owned(),
    }
    .print();
    let connections = bench.arguments.connections;
    for connections in [1, connections, connections * 8] {
        // The disk changes from one minute to the next, so it is asked again just before.
        let disk = if connections == 1 {
            Some(disk::measure(bench.directory, 4 << 10)?)
        } else {
            None
        };
        let done = load::run(server.address, &requests, connections, seconds)?;
        let p50 = done.percentile(0.5);
        let compared = disk.map(|disk| {
            let of = |other: Duration| p50.as_secs_f64() / other.as_secs_f64();
            let both = disk + round_trip;
            format!(
                "p50 is {:.2} of the disk's, {:.2} of disk and round trip",
                of(disk),
                of(both)
            )
        });
        Line {
            name: &match connections {
                1 => format!("PutRecord of {BYTES} B, 1 connection"),
                _ => format!("PutRecord of {BYTES} B, {connections} connections"),
            },
            rate: Some((done.per_second(1), BYTES)),
            p50: Some(p50),
            p99: Some(done.percentile(0.99)),
            note: compared.unwrap_or_default(),
        }
        .print();
    }
    drop(server);
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// Requests that put so many records each: PutRecord for one.
pub(super) fn bodies(stream: &str, bytes: usize, records: usize) -> Vec<Vec<u8>> {
    let body = |seed: usize| {
        let entries = (seed * records..(seed + 1) * records).map(|seed| {
            let data = STANDARD.encode(noise(bytes, seed as u64));
            format!(r#""Data":"{data}","PartitionKey":"key-{seed}""#)
        });
        let entries = entries.collect::<Vec<_>>();
        match entries.as_slice() {
            [entry] => request(
                "PutRecord",
                format!(r#"{{"StreamName":"{stream}",{entry}}}"#).as_bytes(),
            ),
            entries => {
                let entries = entries.join("},{");
                let body = format!(r#"{{"StreamName":"{stream}","Records":[{{{entries}}}]}}"#);
                request("PutRecords", body.as_bytes())
            }
        }
    };
    (0..BODIES).map(body).collect()
}
