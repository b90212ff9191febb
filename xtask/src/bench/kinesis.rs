//! `cargo xtask bench kinesis`: PutRecords and PutRecord, durable, and reading back.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::disk;
use crate::load::{self, Connection, Load, percentile, request};
use crate::server::Server;

const RECORDS_PER_CALL: usize = 500;
/// Different bodies, so that nothing in the server can live off one.
const BODIES: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary. Built first where none is given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the data directory is made; its disk is what is measured.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    #[arg(long, default_value_t = 4)]
    shards: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Measure only this many bytes a record, rather than 1024 and 100.
    #[arg(long)]
    record_bytes: Option<usize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => crate::build_release()?,
    };
    std::fs::create_dir_all(&arguments.directory)?;
    let directory = arguments.directory.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = measure(arguments, &binary, &directory);
    std::fs::remove_dir_all(&directory)?;
    outcome
}

fn measure(arguments: &Arguments, binary: &Path, directory: &Path) -> Result<()> {
    println!(
        "{} shards, {} connections, {} s each",
        arguments.shards, arguments.connections, arguments.seconds
    );
    println!(
        "\n{:<34} {:>12} {:>9} {:>9} {:>9}",
        "", "records/s", "MB/s", "p50 ms", "p99 ms"
    );
    for (bytes, rounds) in [(4 << 10, 400), (512 << 10, 100)] {
        let times = disk::fdatasync(directory, bytes, rounds)?;
        line(
            &format!("disk: write {} KiB + fdatasync", bytes >> 10),
            None,
            percentile(&times, 0.5),
            percentile(&times, 0.99),
        );
    }
    let server = Server::start(binary, &directory.join("data"))?;
    let sizes = arguments.record_bytes.map_or(vec![1024, 100], |bytes| vec![bytes]);
    for (index, bytes) in sizes.iter().enumerate() {
        let stream = format!("many-{index}");
        server.create(&stream, arguments.shards)?;
        let requests = (0..BODIES).map(|seed| many(&stream, *bytes, seed)).collect::<Vec<_>>();
        let done = load::run(server.address, &requests, arguments.connections, arguments.seconds)?;
        report(
            &format!("PutRecords x{RECORDS_PER_CALL} of {bytes} B"),
            &done,
            RECORDS_PER_CALL,
            *bytes,
        );
        read_back(
            &server,
            &stream,
            arguments.shards,
            done.times.len() * RECORDS_PER_CALL,
            *bytes,
        )?;
    }
    server.create("single", arguments.shards)?;
    let requests = (0..BODIES).map(|seed| single("single", 1024, seed)).collect::<Vec<_>>();
    for connections in [1, arguments.connections, arguments.connections * 8] {
        let done = load::run(server.address, &requests, connections, arguments.seconds.div_ceil(2))?;
        report(
            &format!("PutRecord of 1024 B, {connections} connections"),
            &done,
            1,
            1024,
        );
    }
    println!(
        "\nserver: {} MiB resident, {} s of CPU",
        server.resident_mib()?,
        server.cpu_seconds()?
    );
    Ok(())
}

fn report(name: &str, done: &Load, records_per_call: usize, record_bytes: usize) {
    let records = (done.times.len() * records_per_call) as f64 / done.took.as_secs_f64();
    line(
        name,
        Some((records, record_bytes)),
        done.percentile(0.5),
        done.percentile(0.99),
    );
}

fn line(name: &str, rate: Option<(f64, usize)>, p50: Duration, p99: Duration) {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let (records, mb) = match rate {
        Some((records, bytes)) => (format!("{records:.0}"), format!("{:.1}", records * bytes as f64 / 1e6)),
        None => Default::default(),
    };
    println!("{name:<34} {records:>12} {mb:>9} {:>9} {:>9}", ms(p50), ms(p99));
}

/// Text that differs from record to record; base64 of it is what an SDK would send.
fn data(bytes: usize, seed: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let mut letters = (0..bytes.div_ceil(3) * 4)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ALPHABET[(state >> 58) as usize] as char
        })
        .collect::<String>();
    let padding = (3 - bytes % 3) % 3;
    // The bits that padding leaves unused must be zero.
    letters.truncate(letters.len() - padding - usize::from(padding > 0));
    if padding > 0 {
        letters.push('A');
    }
    letters.extend(std::iter::repeat_n('=', padding));
    letters
}

fn many(stream: &str, bytes: usize, seed: usize) -> Vec<u8> {
    let entries = (0..RECORDS_PER_CALL).map(|n| {
        let seed = seed * RECORDS_PER_CALL + n;
        format!(r#"{{"Data":"{}","PartitionKey":"key-{seed}"}}"#, data(bytes, seed))
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    request(
        "PutRecords",
        format!(r#"{{"StreamName":"{stream}","Records":[{entries}]}}"#).as_bytes(),
    )
}

fn single(stream: &str, bytes: usize, seed: usize) -> Vec<u8> {
    let body = format!(
        r#"{{"StreamName":"{stream}","Data":"{}","PartitionKey":"key-{seed}"}}"#,
        data(bytes, seed)
    );
    request("PutRecord", body.as_bytes())
}

/// Reads all shards from the beginning, one after the other, and counts.
fn read_back(server: &Server, stream: &str, shards: usize, expected: usize, record_bytes: usize) -> Result<()> {
    let mut connection = Connection::open(server.address)?;
    let mut times = Vec::new();
    let mut count = 0;
    let began = Instant::now();
    for shard in 0..shards {
        let input = serde_json::json!({
            "StreamName": stream, "ShardId": format!("shardId-{shard:012}"), "ShardIteratorType": "TRIM_HORIZON",
        });
        let mut iterator = server.call("GetShardIterator", &input)?["ShardIterator"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        loop {
            let body = format!(r#"{{"ShardIterator":"{iterator}"}}"#);
            let sent = Instant::now();
            let (status, answer) = connection.exchange(&request("GetRecords", body.as_bytes()))?;
            times.push(sent.elapsed());
            ensure!(
                status == 200,
                "GetRecords: {status} {}",
                String::from_utf8_lossy(answer)
            );
            let answer = std::str::from_utf8(answer)?;
            count += answer.matches("\"SequenceNumber\":").count();
            let behind = answer
                .rsplit_once("\"NextShardIterator\":\"")
                .context("no next iterator")?
                .1;
            iterator = behind.split('"').next().unwrap_or_default().to_owned();
            if answer.ends_with("\"MillisBehindLatest\":0}") {
                break;
            }
        }
    }
    let took = began.elapsed();
    ensure!(
        count == expected,
        "{expected} records were acknowledged and {count} came back"
    );
    times.sort_unstable();
    report(
        "  read back with GetRecords",
        &Load {
            took,
            times: vec![Duration::ZERO; count],
        },
        1,
        record_bytes,
    );
    Ok(())
}
