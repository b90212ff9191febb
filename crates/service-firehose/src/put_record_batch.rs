//! PutRecordBatch: takes up to 500 records for delivery with one write.

use bytes::Bytes;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::errors::invalid_argument;
use crate::put::{Raw, decode, is_name, json_bool, put, scan_record};
use crate::put_record::Record;
use crate::{Call, record_id};
use protocol_aws::scan::{Scan, once};

const RECORDS_MAX: usize = 500;
/// All records of a call together.
const CALL_BYTES_MAX: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    records: Vec<Record>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    failed_put_count: u32,
    encrypted: bool,
    request_responses: Vec<ResponseEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResponseEntry {
    record_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let records: Vec<Bytes> = input.records.into_iter().map(|record| record.data.0).collect();
    let count = records.len() as u64;
    if records.iter().map(Bytes::len).sum::<usize>() > CALL_BYTES_MAX {
        return Err(invalid_argument("Records size exceeds 4 MB limit"));
    }
    let done = put(call, &input.delivery_stream_name, records).await?;
    let responses = (0..count).map(|index| ResponseEntry {
        record_id: record_id::text(done.partition, done.base_offset + index),
    });
    Ok(Output {
        failed_put_count: 0,
        encrypted: done.is_encrypted,
        request_responses: responses.collect(),
    })
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (name, records) = prepare(body)?;
    let count = records.len();
    let done = match put(call, name, records).await {
        Ok(done) => done,
        Err(error) => return Some(Err(error)),
    };
    let mut out = Vec::with_capacity(64 + count * (record_id::ID_LETTERS + 16));
    out.extend_from_slice(b"{\"FailedPutCount\":0,\"Encrypted\":");
    out.extend_from_slice(json_bool(done.is_encrypted));
    out.extend_from_slice(b",\"RequestResponses\":[");
    for index in 0..count as u64 {
        out.extend_from_slice(if index == 0 {
            b"{\"RecordId\":\""
        } else {
            b",{\"RecordId\":\""
        });
        record_id::write(done.partition, done.base_offset + index, &mut out);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"]}");
    Some(Ok(out.into()))
}

fn prepare(body: &[u8]) -> Option<(&str, Vec<Bytes>)> {
    let (mut name, mut records) = (None, None);
    let mut scan = Scan::new(body);
    scan.object(|scan, member| match member {
        b"DeliveryStreamName" => once(&mut name, scan.text()?),
        b"Records" => once(&mut records, scan_records(scan)?),
        _ => None,
    })?;
    scan.end()?;
    let (name, records) = (name.filter(|name| is_name(name))?, records?);
    let bytes: usize = records.iter().map(|raw: &Raw<'_>| raw.bytes).sum();
    if records.is_empty() || bytes > CALL_BYTES_MAX {
        return None;
    }
    Some((name, decode(&records)?))
}

fn scan_records<'b>(scan: &mut Scan<'b>) -> Option<Vec<Raw<'b>>> {
    let mut records = Vec::with_capacity(RECORDS_MAX);
    scan.array(|scan| {
        if records.len() == RECORDS_MAX {
            return None;
        }
        records.push(scan_record(scan)?);
        Some(())
    })?;
    Some(records)
}
