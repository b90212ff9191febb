//! PutRecord: takes one record for delivery.

use bytes::Bytes;
use protocol_aws::{AwsError, Blob};
use serde::{Deserialize, Serialize};

use crate::errors::slow_down;
use crate::put::{decode, json_bool, let_in, put, scan_record};
use crate::{Call, record_id};
use protocol_aws::scan::{Scan, once};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    record: Record,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Record {
    pub(crate) data: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    record_id: String,
    encrypted: bool,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let (name, records) = (&input.delivery_stream_name, vec![input.record.data.0]);
    if let_in(call, name, &records) == 0 {
        return Err(slow_down());
    }
    let done = put(call, name, records).await?;
    Ok(Output {
        record_id: record_id::text(done.partition, done.base_offset),
        encrypted: done.is_encrypted,
    })
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (name, record) = prepare(body).filter(|_| call.limits.is_none())?;
    let done = match put(call, name, record).await {
        Ok(done) => done,
        Err(error) => return Some(Err(error)),
    };
    let mut out = Vec::with_capacity(record_id::ID_LETTERS + 64);
    out.extend_from_slice(b"{\"RecordId\":\"");
    record_id::write(done.partition, done.base_offset, &mut out);
    out.extend_from_slice(b"\",\"Encrypted\":");
    out.extend_from_slice(json_bool(done.is_encrypted));
    out.push(b'}');
    Some(Ok(out.into()))
}

fn prepare(body: &[u8]) -> Option<(&str, Vec<Bytes>)> {
    let (mut name, mut record) = (None, None);
    let mut scan = Scan::new(body);
    scan.object(|scan, member| match member {
        b"DeliveryStreamName" => once(&mut name, scan.text()?),
        b"Record" => once(&mut record, scan_record(scan)?),
        _ => None,
    })?;
    scan.end()?;
    let name = name.filter(|name| crate::put::is_name(name))?;
    Some((name, decode(&[record?])?))
}
