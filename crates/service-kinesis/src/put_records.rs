//! PutRecords: appends up to 500 records with one write.

use std::sync::Arc;

use bytes::Bytes;
use engine_log::LogError;
use engine_log::streams::Stream;
use protocol_aws::{AwsError, Blob};
use serde::{Deserialize, Serialize};

use crate::put::{
    CALL_BYTES_MAX, PARTITION_KEY_UNITS_MAX, Put, append, decoded_bytes, is_ordinary, key_units, partition_key_missing,
    write_done,
};
use crate::put_record::decode;
use crate::shapes::{self, shard_id};
use crate::{Call, errors};
use protocol_aws::scan::{Scan, once};

const RECORDS_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    records: Vec<Entry>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    failed_record_count: u32,
    records: Vec<ResultEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let bytes = input.records.iter().map(|entry| entry.data.0.len()).sum();
    let prepare = |stream| prepare_records(call, stream, &input, bytes);
    let done = append(call, stream.clone(), prepare).await?;
    let records = done.iter().map(|done| match done.sequence {
        Some(sequence) => ResultEntry {
            sequence_number: Some(sequence.to_string()),
            shard_id: Some(shard_id(done.shard)),
            error_code: None,
            error_message: None,
        },
        None => {
            let error = errors::throughput_exceeded(call.scope(), &stream.id.name, &shard_id(done.shard));
            ResultEntry {
                sequence_number: None,
                shard_id: None,
                error_code: Some(errors::THROUGHPUT_EXCEEDED),
                error_message: Some(error.message),
            }
        }
    });
    Ok(Output {
        failed_record_count: done.iter().filter(|done| done.sequence.is_none()).count() as u32,
        records: records.collect(),
        encryption_type: shapes::encrypted(&stream),
    })
}

fn prepare_records<'c>(call: &'c Call, stream: Arc<Stream>, input: &Input, bytes: usize) -> Result<Put<'c>, AwsError> {
    let mut put = Put::new(call, stream, input.records.len(), bytes);
    for (index, entry) in input.records.iter().enumerate() {
        let path = |member: &str| format!("records.{}.member.{member}", index + 1);
        let key = entry
            .partition_key
            .as_deref()
            .ok_or_else(|| partition_key_missing(&path("partitionKey")))?;
        put.add(
            key,
            entry.explicit_hash_key.as_deref(),
            entry.data.0.len(),
            &path,
            |room| {
                room.copy_from_slice(&entry.data.0);
                Ok(())
            },
        )?;
    }
    if put.bytes() > CALL_BYTES_MAX {
        return Err(errors::invalid_argument("Records size exceeds 10 MB limit"));
    }
    if input.dry_run == Some(true) {
        return Err(errors::dry_run());
    }
    Ok(put)
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (put, name) = prepare(call, body)?;
    let done = match put.append().await {
        Ok(done) => done,
        // A shard was closed in between; the common way looks for its children.
        Err(LogError::Fenced) => return None,
        Err(error) => return Some(Err(errors::from_log(call.scope(), &name, error))),
    };
    let mut out = Vec::with_capacity(64 + done.len() * 128);
    out.extend_from_slice(b"{\"FailedRecordCount\":0,\"Records\":[");
    for (index, done) in done.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        write_done(done, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Some(Ok(out.into()))
}

/// A record as it stands in the body, still in base64.
struct Raw<'b> {
    data: &'b [u8],
    data_bytes: usize,
    key: &'b str,
    hash: Option<&'b str>,
}

fn prepare<'c>(call: &'c Call, body: &[u8]) -> Option<(Put<'c>, String)> {
    let (mut stream_name, mut stream_arn, mut records) = (None, None, None);
    let mut scan = Scan::new(body);
    scan.object(|scan, member| match member {
        b"StreamName" => once(&mut stream_name, scan.text()?),
        b"StreamARN" => once(&mut stream_arn, scan.text()?),
        // The stream may come behind the records, so they are only found here and decoded below.
        b"Records" => once(&mut records, scan_records(scan)?),
        _ => None,
    })?;
    scan.end()?;
    let records = records?;
    let stream = call.stream(call.scope(), stream_name, stream_arn).ok()?;
    if !is_ordinary(call, &stream) {
        return None;
    }
    let name = stream.id.name.clone();
    let bytes = records.iter().map(|raw| raw.data_bytes + raw.key.len()).sum();
    if records.is_empty() || bytes > CALL_BYTES_MAX {
        return None;
    }
    let mut put = Put::new(call, stream, records.len(), bytes);
    for raw in &records {
        put.add(raw.key, raw.hash, raw.data_bytes, &str::to_owned, |room| {
            decode(raw.data, room)
        })
        .ok()?;
    }
    Some((put, name))
}

fn scan_records<'b>(scan: &mut Scan<'b>) -> Option<Vec<Raw<'b>>> {
    let mut records = Vec::with_capacity(RECORDS_MAX);
    scan.array(|scan| {
        let (mut data, mut key, mut hash) = (None, None, None);
        scan.object(|scan, member| match member {
            b"Data" => once(&mut data, scan.string()?),
            b"PartitionKey" => once(&mut key, scan.text()?),
            b"ExplicitHashKey" => once(&mut hash, scan.text()?),
            _ => None,
        })?;
        let (data, key): (&[u8], &str) = (data?, key?);
        let key_fits = !key.is_empty() && key_units(key) <= PARTITION_KEY_UNITS_MAX;
        if !key_fits || records.len() == RECORDS_MAX {
            return None;
        }
        records.push(Raw {
            data,
            data_bytes: decoded_bytes(data)?,
            key,
            hash,
        });
        Some(())
    })?;
    Some(records)
}
