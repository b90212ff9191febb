//! PutRecordBatch to objects: until the last record is durable in the bucket.

use std::time::Instant;

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Arguments;
use super::lake::{Lake, put_request};
use crate::bench::table::Line;
use crate::load::{self, noise};

const RECORDS_PER_CALL: usize = 500;
const RECORD_BYTES: usize = 1024;
/// Different bodies, so that nothing in the server can live off one.
const BODIES: usize = 8;

pub(super) fn measure(arguments: &Arguments, lake: &Lake) -> Result<()> {
    lake.create(&json!({ "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": 1 } }))?;
    let requests: Vec<_> = (0..BODIES)
        .map(|body| {
            let seeds = body * RECORDS_PER_CALL..(body + 1) * RECORDS_PER_CALL;
            let records = seeds.map(|seed| STANDARD.encode(noise(RECORD_BYTES, seed as u64)));
            put_request(&records.collect::<Vec<_>>())
        })
        .collect();
    let began = Instant::now();
    let done = load::run(lake.server.address, &requests, arguments.connections, arguments.seconds)?;
    let records = done.times.len() * RECORDS_PER_CALL;
    lake.until_delivered(records as u64)?;
    let took = began.elapsed();
    let found = lake.found()?;
    ensure!(
        found.bytes == (records * (RECORD_BYTES + 1)) as u64,
        "{records} records were acknowledged, and the bucket has {found:?}"
    );
    Line {
        name: &format!("PutRecordBatch x{RECORDS_PER_CALL} of {RECORD_BYTES} B"),
        rate: Some((done.per_second(RECORDS_PER_CALL), RECORD_BYTES)),
        p50: Some(done.percentile(0.5)),
        p99: Some(done.percentile(0.99)),
        note: String::new(),
    }
    .print();
    Line {
        name: "  until the last record was in the bucket",
        rate: Some((records as f64 / took.as_secs_f64(), RECORD_BYTES)),
        note: format!(
            "{:.2} s after the last put; {} objects; server: {} MiB resident, {} s of CPU",
            (took - done.took).as_secs_f64(),
            found.objects,
            lake.server.resident_mib()?,
            lake.server.cpu_seconds()?,
        ),
        ..Line::default()
    }
    .print();
    Ok(())
}
