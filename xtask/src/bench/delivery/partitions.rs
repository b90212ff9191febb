//! Thousands of partitions that all wait for their records: what memory they take, and that each record comes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Arguments;
use super::lake::{Lake, STREAM, put_request};
use crate::bench::table::Line;
use crate::load::{self, Connection, on_threads};
use crate::server::Server;

const PARTITIONS: usize = 5_000;
const RECORDS_PER_CALL: usize = 500;
/// Half a gigabyte in all, several times what may be in memory.
const RECORDS_PER_PARTITION: usize = 100;
const RECORD_BYTES: usize = 1024;
/// Between two looks at the server's memory.
const SAMPLE_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn measure(arguments: &Arguments, lake: &Lake) -> Result<()> {
    let server = &lake.server;
    lake.create(&destination(900))?;
    let calls = PARTITIONS / RECORDS_PER_CALL;
    let requests: Vec<_> = (0..calls)
        .map(|call| {
            let keys = call * RECORDS_PER_CALL..(call + 1) * RECORDS_PER_CALL;
            put_request(&keys.map(record).collect::<Vec<_>>())
        })
        .collect();
    let idle_mib = server.resident_mib()?;
    let began = Instant::now();
    let (records, next) = (PARTITIONS * RECORDS_PER_PARTITION, AtomicUsize::new(0));
    let ((), filling_mib) = at_most(server, || {
        on_threads(arguments.connections, |_| {
            let mut connection = Connection::open(server.address)?;
            loop {
                let call = next.fetch_add(1, Ordering::Relaxed);
                if call >= calls * RECORDS_PER_PARTITION {
                    return Ok(());
                }
                load::put(&mut connection, &requests[call % calls])?;
            }
        })?;
        lake.until("catchment_delivery_buffered_records", records as u64)
    })?;
    Line {
        name: &format!("{PARTITIONS} active partitions, {RECORDS_PER_PARTITION} records of {RECORD_BYTES} B each"),
        rate: Some((records as f64 / began.elapsed().as_secs_f64(), RECORD_BYTES)),
        note: format!("resident: {idle_mib} MiB before, {filling_mib} at most"),
        ..Line::default()
    }
    .print();
    ensure!(
        lake.found()?.objects == 0,
        "partitions were written while all were to wait"
    );
    // Other settings let everything go that waits.
    let began = Instant::now();
    let ((), delivering_mib) = at_most(server, || {
        lake.firehose(
            "UpdateDestination",
            &json!({ "DeliveryStreamName": STREAM, "CurrentDeliveryStreamVersionId": "1",
                "DestinationId": "destinationId-000000000001", "ExtendedS3DestinationUpdate": destination(0) }),
        )?;
        lake.until_delivered(records as u64)
    })?;
    let found = lake.found()?;
    ensure!(
        found.bytes == (records * (RECORD_BYTES + 1)) as u64,
        "{records} records were acknowledged, and the bucket has {found:?}"
    );
    Line {
        name: "  all of them delivered",
        rate: Some((records as f64 / began.elapsed().as_secs_f64(), RECORD_BYTES)),
        note: format!("{} objects; resident: {delivering_mib} MiB at most", found.objects),
        ..Line::default()
    }
    .print();
    Ok(())
}

fn destination(interval_seconds: u32) -> Value {
    json!({
        "Prefix": "k=!{partitionKeyFromQuery:k}/",
        "ErrorOutputPrefix": "errors/",
        "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": interval_seconds },
        "DynamicPartitioningConfiguration": { "Enabled": true },
        "ProcessingConfiguration": { "Enabled": true, "Processors": [
            { "Type": "MetadataExtraction", "Parameters": [
                { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{k: .k}" },
                { "ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6" }] },
            { "Type": "AppendDelimiterToRecord" }] } })
}

/// A record of a partition, in base64.
fn record(key: usize) -> String {
    let text = format!(r#"{{"k":{key},"x":""#);
    STANDARD.encode(format!("{text:x<width$}\"}}", width = RECORD_BYTES - 2))
}

/// Does the work and gives the most memory that the server had meanwhile, in MiB.
fn at_most<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Acquire) {
                most = server.resident_mib()?.max(most);
                thread::park_timeout(SAMPLE_PAUSE);
            }
            anyhow::Ok(most)
        });
        let outcome = work();
        ended.store(true, Ordering::Release);
        let most = looking
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the sampling panicked"))?;
        Ok((outcome?, most))
    })
}
