//! PutRecordBatch: takes up to 500 records for delivery with one write.

use bytes::Bytes;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::errors::{SLOW_DOWN, invalid_argument};
use crate::put::{Raw, decode, is_name, json_bool, let_in, put, scan_record};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    record_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'static str>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let mut records: Vec<Bytes> = input.records.into_iter().map(|record| record.data.0).collect();
    let count = records.len();
    if records.iter().map(Bytes::len).sum::<usize>() > CALL_BYTES_MAX {
        return Err(invalid_argument("Records size exceeds 4 MB limit"));
    }
    let name = &input.delivery_stream_name;
    records.truncate(let_in(call, name, &records));
    let taken = records.len();
    // With none of them too, so that a delivery stream that is not there is told.
    let done = put(call, name, records).await?;
    let taken_entries = (0..taken as u64).map(|index| ResponseEntry {
        record_id: Some(record_id::text(done.partition, done.base_offset + index)),
        error_code: None,
        error_message: None,
    });
    let refused_entries = (taken..count).map(|_| ResponseEntry {
        record_id: None,
        error_code: Some(SLOW_DOWN.0),
        error_message: Some(SLOW_DOWN.1),
    });
    Ok(Output {
        failed_put_count: (count - taken) as u32,
        encrypted: done.is_encrypted,
        request_responses: taken_entries.chain(refused_entries).collect(),
    })
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (name, records) = prepare(body).filter(|_| call.limits.is_none())?;
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
