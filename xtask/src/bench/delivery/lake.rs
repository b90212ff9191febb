//! A server of its own with a bucket that delivery streams write to.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::load::{Connection, request_to};
use crate::server::Server;

pub(super) const STREAM: &str = "bench";
const BUCKET: &str = "lake";
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(300);
const LOOK_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Lake {
    pub(super) server: Server,
    directory: PathBuf,
}

/// The objects of the bucket.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) objects: usize,
    pub(super) bytes: u64,
}

impl Lake {
    pub(super) fn start(binary: &Path, directory: &Path) -> Result<Self> {
        std::fs::create_dir(directory)?;
        let lake = Self {
            server: Server::start(binary, directory)?,
            directory: directory.to_owned(),
        };
        let made = Connection::open(lake.server.address)?
            .exchange(format!("PUT /{BUCKET} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").as_bytes())?
            .0;
        ensure!(made == 200, "the bucket could not be made: {made}");
        Ok(lake)
    }

    pub(super) fn end(self) -> Result<()> {
        drop(self.server);
        Ok(std::fs::remove_dir_all(self.directory)?)
    }

    /// Makes the delivery stream, with members of its S3 destination beside those that it cannot be without. A line end
    /// stands behind each record unless the members have processors of their own.
    pub(super) fn create(&self, members: &Value) -> Result<()> {
        let mut destination = members.clone();
        if destination["ProcessingConfiguration"].is_null() {
            destination["ProcessingConfiguration"] =
                json!({ "Enabled": true, "Processors": [{ "Type": "AppendDelimiterToRecord" }] });
        }
        destination["RoleARN"] = "arn:aws:iam::000000000000:role/any".into();
        destination["BucketARN"] = format!("arn:aws:s3:::{BUCKET}").into();
        self.firehose(
            "CreateDeliveryStream",
            &json!({ "DeliveryStreamName": STREAM, "ExtendedS3DestinationConfiguration": destination }),
        )
    }

    pub(super) fn firehose(&self, operation: &str, input: &Value) -> Result<()> {
        self.server.call_to(&target(operation), input).map(drop)
    }

    /// Waits until so many records are delivered.
    pub(super) fn until_delivered(&self, records: u64) -> Result<()> {
        self.until("catchment_delivery_records_total", records)
    }

    /// Waits until a figure of the delivery stream has come to so much, and looks that no record has failed.
    pub(super) fn until(&self, name: &str, wanted: u64) -> Result<()> {
        let began = Instant::now();
        let mut connection = Connection::open(self.server.address)?;
        loop {
            let (_, body) = connection.exchange(b"GET /_catchment/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let body = std::str::from_utf8(body)?;
            let failed = figure(body, "catchment_delivery_failed_records_total")?;
            ensure!(failed == 0, "{failed} records were not delivered");
            let found = figure(body, name)?;
            ensure!(
                found <= wanted,
                "{name} is {found}, and not more than {wanted} were put"
            );
            if found == wanted {
                return Ok(());
            }
            ensure!(
                began.elapsed() < DELIVERY_TIME_MAX,
                "{name} is {found} still, not {wanted}"
            );
            thread::park_timeout(LOOK_PAUSE);
        }
    }

    /// What lies in the bucket, which is kept as plain files.
    pub(super) fn found(&self) -> Result<Found> {
        let mut found = Found::default();
        look(&self.directory.join("objects").join(BUCKET), &mut found)?;
        Ok(found)
    }

    /// The keys below a prefix that come after another, at most a thousand.
    pub(super) fn list(connection: &mut Connection, prefix: &str, after: &str) -> Result<Vec<String>> {
        let path = format!("/{BUCKET}?list-type=2&prefix={prefix}&start-after={after}");
        let listed = get(connection, &path)?;
        let keys = listed.split("<Key>").skip(1);
        let keys = keys.filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()));
        Ok(keys.collect())
    }

    pub(super) fn read(connection: &mut Connection, key: &str) -> Result<String> {
        get(connection, &format!("/{BUCKET}/{key}"))
    }
}

fn get(connection: &mut Connection, path: &str) -> Result<String> {
    let (status, body) = connection.exchange(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let body = String::from_utf8_lossy(body).into_owned();
    ensure!(status == 200, "{path}: {status} {body}");
    Ok(body)
}

/// A request that puts records, each given in base64.
pub(super) fn put_request(records: &[String]) -> Vec<u8> {
    let entry = |data: &String| format!(r#"{{"Data":"{data}"}}"#);
    match records {
        [record] => {
            let body = format!(r#"{{"DeliveryStreamName":"{STREAM}","Record":{}}}"#, entry(record));
            request_to(&target("PutRecord"), body.as_bytes())
        }
        records => {
            let records = records.iter().map(entry).collect::<Vec<_>>().join(",");
            let body = format!(r#"{{"DeliveryStreamName":"{STREAM}","Records":[{records}]}}"#);
            request_to(&target("PutRecordBatch"), body.as_bytes())
        }
    }
}

fn target(operation: &str) -> String {
    format!("Firehose_20150804.{operation}")
}

/// A figure of the only delivery stream.
fn figure(metrics: &str, name: &str) -> Result<u64> {
    let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
    let value = metrics.lines().find(of_it).and_then(|line| line.rsplit_once(' '));
    let (_, value) = value.with_context(|| format!("no {name} among the metrics"))?;
    Ok(value.parse()?)
}

fn look(directory: &Path, found: &mut Found) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            look(&entry.path(), found)?;
        } else {
            found.objects += 1;
            found.bytes += metadata.len();
        }
    }
    Ok(())
}
