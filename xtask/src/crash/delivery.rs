//! Delivery streams under load: what lies in the bucket and in data streams is what was acknowledged, each record once,
//! and so is the backup.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Random, Subject, base64, lock, stream};
use crate::load::{Connection, request, request_to};
use crate::server::Server;

const BUCKET: &str = "lake";
/// Takes direct puts, sorts them by a key within, and backs them up.
const DIRECT: &str = "direct";
/// Reads the stream of the same name.
const STREAMED: &str = "streamed";
/// Takes direct puts to the data stream of the same name.
const FORWARDED: &str = "forwarded";
/// Reads the stream [`STREAMED`] too, and copies it to the data stream of its own name.
const MIRRORED: &str = "mirrored";
/// What records are put to.
const TARGETS: [&str; 3] = [DIRECT, STREAMED, FORWARDED];
const RECORDS_MAX: u64 = 40;
const PARTITIONS: u64 = 7;
const ROLE: &str = "arn:aws:iam::000000000000:role/any";
/// What was acknowledged is delivered after a start within this time.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct DeliveryRun {
    /// By target.
    acknowledged: [Mutex<Vec<String>>; TARGETS.len()],
    /// Per writer, the next number. Numbers of calls without an answer are not used again.
    next: Vec<AtomicU64>,
    /// How often records were put to count by.
    counts: AtomicU64,
}

impl DeliveryRun {
    pub(super) fn new(writers: u64) -> Self {
        Self {
            acknowledged: Default::default(),
            next: (0..writers).map(|_| AtomicU64::new(0)).collect(),
            counts: AtomicU64::new(0),
        }
    }
}

impl Subject for DeliveryRun {
    fn prepare(&self, server: &Server) -> Result<()> {
        let mut connection = Connection::open(server.address)?;
        let (status, _) = connection
            .exchange(format!("PUT /{BUCKET} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        ensure!(status == 200, "the bucket could not be made: {status}");
        server.create(STREAMED, 2)?;
        server.create(FORWARDED, 3)?;
        server.create(MIRRORED, 3)?;
        let bucket = format!("arn:aws:s3:::{BUCKET}");
        let small = json!({ "SizeInMBs": 1, "IntervalInSeconds": 0 });
        let line_ends = json!({ "Type": "AppendDelimiterToRecord" });
        let query = json!({ "Type": "MetadataExtraction", "Parameters": [
            { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{c: .c}" },
            { "ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6" }] });
        let create = |input: &Value| {
            server
                .call_to("Firehose_20150804.CreateDeliveryStream", input)
                .map(drop)
        };
        create(
            &json!({ "DeliveryStreamName": DIRECT, "ExtendedS3DestinationConfiguration": {
            "RoleARN": ROLE, "BucketARN": bucket, "Prefix": "direct/c=!{partitionKeyFromQuery:c}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": 0 },
            "DynamicPartitioningConfiguration": { "Enabled": true },
            "ProcessingConfiguration": { "Enabled": true, "Processors": [query, line_ends] },
            "S3BackupMode": "Enabled",
            "S3BackupConfiguration": { "RoleARN": ROLE, "BucketARN": bucket, "Prefix": "backup/", "BufferingHints": small } } }),
        )?;
        let source = json!({ "RoleARN": ROLE,
            "KinesisStreamARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAMED}") });
        let to_stream = |name: &str| {
            json!({ "BufferingHints": small,
                "EndpointConfiguration": { "Url": format!("https://kinesis.us-east-1.amazonaws.com/{name}") },
                "S3Configuration": { "RoleARN": ROLE, "BucketARN": bucket, "ErrorOutputPrefix": "errors/" } })
        };
        create(
            &json!({ "DeliveryStreamName": FORWARDED, "HttpEndpointDestinationConfiguration": to_stream(FORWARDED) }),
        )?;
        create(
            &json!({ "DeliveryStreamName": MIRRORED, "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": source, "HttpEndpointDestinationConfiguration": to_stream(MIRRORED) }),
        )?;
        create(
            &json!({ "DeliveryStreamName": STREAMED, "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": source,
            "ExtendedS3DestinationConfiguration": { "RoleARN": ROLE, "BucketARN": bucket, "Prefix": "streamed/",
                "BufferingHints": small, "ProcessingConfiguration": { "Enabled": true, "Processors": [line_ends] } } }),
        )
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
    }

    fn count(&self, server: &Server, data: &Path) -> Result<String> {
        // What a crash left is done again before anything new is read, so one more record that has come shows that
        // nothing is done twice any more.
        let mut connection = Connection::open(server.address)?;
        for (target, acknowledged) in self.acknowledged.iter().enumerate() {
            let number = self.counts.fetch_add(1, Ordering::Relaxed);
            let id = format!("count-{number}");
            // One of each partition: each waits in a buffer of its own.
            let records = (0..PARTITIONS).map(|key| (key, record(&format!("{id}-{key}"), key, "")));
            let is_taken = put(&mut connection, target, &records.collect::<Vec<_>>())?;
            ensure!(is_taken, "{} takes no records", TARGETS[target]);
            lock(acknowledged).extend((0..PARTITIONS).map(|key| format!("{id}-{key}")));
        }
        let objects = data.join("objects").join(BUCKET);
        let [direct, streamed, forwarded] = self.acknowledged.each_ref().map(|ids| lock(ids).clone());
        let mut objects_found = 0;
        for (place, ids) in [("direct", &direct), ("backup", &direct), ("streamed", &streamed)] {
            let found = once(ids, || look(&objects.join(place))).with_context(|| format!("in {place}/"))?;
            objects_found += found;
        }
        for (stream, ids) in [(FORWARDED, &forwarded), (MIRRORED, &streamed)] {
            once(ids, || read(server, stream)).with_context(|| format!("in the data stream {stream}"))?;
        }
        ensure!(
            !objects.join("errors").exists(),
            "there are records under the error prefix"
        );
        Ok(format!(
            "{} direct puts and {} records of the stream acknowledged, each delivered once, the former backed up once \
             and the latter copied to a stream once, in {objects_found} objects; {} direct puts to a stream acknowledged, \
             each there once",
            direct.len(),
            streamed.len(),
            forwarded.len(),
        ))
    }
}

/// Puts records until the server is gone, and keeps what was acknowledged.
fn write(run: &DeliveryRun, address: SocketAddr, writer: usize, stop: &AtomicBool, random: &mut Random) {
    let Ok(mut connection) = Connection::open(address) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let count = random.within(1..RECORDS_MAX);
        let first = run.next[writer].fetch_add(count, Ordering::Relaxed);
        let numbers = first..first + count;
        let padding = "x".repeat(random.within(0..900) as usize);
        let target = random.within(0..TARGETS.len() as u64) as usize;
        let records = numbers
            .clone()
            .map(|number| (number, record(&format!("{writer}-{number}"), number, &padding)));
        let records = records.collect::<Vec<_>>();
        let Ok(is_taken) = put(&mut connection, target, &records) else {
            return;
        };
        if is_taken {
            let ids = numbers.map(|number| format!("{writer}-{number}"));
            lock(&run.acknowledged[target]).extend(ids);
        }
    }
}

/// Puts records, each with its partition key; tells whether all of them were taken.
fn put(connection: &mut Connection, target: usize, records: &[(u64, String)]) -> Result<bool> {
    let records = records.iter();
    let (request, failed) = if TARGETS[target] == STREAMED {
        let records = records.map(|(key, data)| json!({ "Data": data, "PartitionKey": key.to_string() }));
        let body = json!({ "StreamName": STREAMED, "Records": records.collect::<Vec<_>>() });
        (request("PutRecords", body.to_string().as_bytes()), "FailedRecordCount")
    } else {
        let records = records.map(|(_, data)| json!({ "Data": data }));
        let body = json!({ "DeliveryStreamName": TARGETS[target], "Records": records.collect::<Vec<_>>() });
        let operation = "Firehose_20150804.PutRecordBatch";
        (request_to(operation, body.to_string().as_bytes()), "FailedPutCount")
    };
    let (status, answer) = connection.exchange(&request)?;
    Ok(status == 200 && serde_json::from_slice::<Value>(answer).is_ok_and(|answer| answer[failed] == 0))
}

fn record(id: &str, number: u64, padding: &str) -> String {
    base64(&json!({ "id": id, "c": number % PARTITIONS, "x": padding }).to_string())
}

/// By a record's id, how often it is found.
type Times = HashMap<String, usize>;

/// Waits until all of the records are found, and fails where one is found twice. Gives the number of objects.
fn once(ids: &[String], mut look: impl FnMut() -> Result<(Times, usize)>) -> Result<usize> {
    let began = Instant::now();
    loop {
        let (found, objects) = look()?;
        if let Some((id, times)) = found.iter().find(|(_, times)| **times > 1) {
            bail!("record {id} is there {times} times");
        }
        match ids.iter().find(|id| !found.contains_key(*id)) {
            None => return Ok(objects),
            Some(id) if began.elapsed() > DELIVERY_TIME_MAX => bail!("record {id} was acknowledged and is not there"),
            Some(_) => thread::park_timeout(LOOK_PAUSE),
        }
    }
}

/// The records of all objects below a directory, which are plain files, and how many these are.
fn look(directory: &Path) -> Result<(Times, usize)> {
    let (mut found, mut objects) = (Times::new(), 0);
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop().filter(|directory| directory.exists()) {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            objects += 1;
            count_records(&fs::read(&path)?, &mut found).with_context(|| format!("{} is damaged", path.display()))?;
        }
    }
    Ok((found, objects))
}

/// The records of a data stream.
fn read(server: &Server, name: &str) -> Result<(Times, usize)> {
    let mut found = Times::new();
    for shard in stream::shards(server, name)? {
        stream::read(server, name, &shard, |record| {
            let data = record["Data"].as_str().context("a record without data")?;
            count_records(&STANDARD.decode(data)?, &mut found)
        })?;
    }
    Ok((found, 0))
}

/// A backup has no line ends, so what is looked for is the next value.
fn count_records(content: &[u8], found: &mut Times) -> Result<()> {
    for record in serde_json::Deserializer::from_slice(content).into_iter::<Value>() {
        let record = record?;
        let id = record["id"].as_str().context("a record of somebody else")?;
        *found.entry(id.to_owned()).or_default() += 1;
    }
    Ok(())
}
