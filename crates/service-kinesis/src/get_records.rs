//! GetRecords: reads a shard on from an iterator.

use base64_simd::{AsOut, STANDARD};
use bytes::Bytes;
use engine_log::streams::{ShardInfo, Stream};
use engine_log::{Record, Records};
use protocol_aws::{AwsError, Blob, Timestamp};
use serde::{Deserialize, Serialize};

use crate::iterator::Iterator;
use crate::sequence::Sequence;
use crate::shapes::{HashKeyRange, named, shard_id};
use crate::{Call, errors};
use protocol_aws::scan::{Scan, once};

const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 10 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    shard_iterator: String,
    limit: Option<usize>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    records: Vec<RecordOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
    millis_behind_latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<ChildShard>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RecordOut {
    sequence_number: String,
    approximate_arrival_timestamp: Timestamp,
    data: Blob,
    partition_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChildShard {
    shard_id: String,
    parent_shards: Vec<String>,
    hash_key_range: HashKeyRange,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let page = read(call, &input.shard_iterator, input.limit, input.stream_arn.as_deref()).await?;
    if input.dry_run == Some(true) {
        return Err(errors::dry_run());
    }
    let records = page.records.iter().map(|record| RecordOut {
        sequence_number: Sequence::of_record(page.shard(), record.offset, record.arrival_ms).to_string(),
        approximate_arrival_timestamp: Timestamp(record.arrival_ms),
        data: Blob(record.data.clone()),
        partition_key: String::from_utf8_lossy(&record.key).into_owned(),
        encryption_type: record.is_encrypted.then_some("KMS"),
    });
    Ok(Output {
        records: records.collect(),
        millis_behind_latest: page.behind_ms,
        child_shards: page.children(),
        next_shard_iterator: page.next,
    })
}

pub(crate) async fn fast(call: &Call, body: &Bytes) -> Option<Result<Bytes, AwsError>> {
    let (mut iterator, mut limit, mut arn) = (None, None, None);
    let mut scan = Scan::new(body);
    scan.object(|scan, member| match member {
        b"ShardIterator" => once(&mut iterator, scan.text()?),
        b"Limit" => once(&mut limit, scan.number()? as usize),
        b"StreamARN" => once(&mut arn, scan.text()?),
        _ => None,
    })?;
    scan.end()?;
    if limit.is_some_and(|limit| !(1..=RECORDS_MAX).contains(&limit)) {
        return None;
    }
    // Errors are answered the common way, and where calls are counted all go it.
    if call.limits.is_some() {
        return None;
    }
    let page = read(call, iterator?, limit, arn).await.ok()?;
    Some(page.write().map(Bytes::from))
}

struct Page {
    stream: std::sync::Arc<Stream>,
    shard: usize,
    records: Vec<Record>,
    next: Option<String>,
    behind_ms: i64,
}

async fn read(call: &Call, iterator: &str, limit: Option<usize>, arn: Option<&str>) -> Result<Page, AwsError> {
    let (stream, shard, iterator) = call.iterator(call.scope(), iterator)?;
    if arn.is_some() && named(call.scope(), None, arn)?.name != stream.id.name {
        return Err(errors::invalid_argument(
            "The StreamARN does not match the ShardIterator.",
        ));
    }
    let limit = limit.unwrap_or(RECORDS_MAX).min(RECORDS_MAX);
    let partition = stream.partitions()[shard].id();
    if let Some(limits) = &call.limits
        && !limits.read(partition, call.clock.now_ms())
    {
        let shard_id = shard_id(stream.shards[shard].number);
        return Err(errors::throughput_exceeded(call.scope(), &stream.id.name, &shard_id));
    }
    let read = call
        .streams
        .log()
        .read(&stream.partitions()[shard], iterator.offset, BYTES_MAX, limit)
        .await;
    let read = read.map_err(|error| errors::from_log(call.scope(), &stream.id.name, error))?;
    if let Some(limits) = &call.limits {
        let bytes = read.records.iter().map(|record| record.data.len() + record.key.len());
        limits.has_read(partition, bytes.sum());
    }
    let now_ms = call.clock.now_ms();
    let behind_ms = behind_ms(&read, now_ms);
    let info = &stream.shards[shard];
    // The end is a page of its own: only an iterator that "does not return any more data" has none after it (API
    // reference of GetRecords), and there are readers that go on after any page with records, and then find a second end.
    let is_at_end = info.closed.is_some_and(|closed| read.next_offset >= closed.end_offset);
    let ended = is_at_end && read.records.is_empty();
    let next = (!ended).then(|| Iterator::new(&stream, info.number, read.next_offset, now_ms).seal());
    Ok(Page {
        shard,
        records: read.records,
        next,
        behind_ms,
        stream,
    })
}

impl Page {
    fn shard(&self) -> &ShardInfo {
        &self.stream.shards[self.shard]
    }

    /// The shards to go on with when this one has ended, and only then.
    fn children(&self) -> Option<Vec<ChildShard>> {
        if self.next.is_some() {
            return None;
        }
        Some(children_of(&self.stream, self.shard().number))
    }

    fn write(self) -> Result<Vec<u8>, AwsError> {
        let room = self
            .records
            .iter()
            .map(|record| record.data.len() / 3 * 4 + record.key.len() + 180)
            .sum::<usize>();
        let mut out = Vec::with_capacity(room + 1024);
        out.push(b'{');
        write_records(&mut out, self.shard(), &self.records)?;
        if let Some(next) = &self.next {
            out.extend_from_slice(b"\"NextShardIterator\":");
            write_json(&mut out, next)?;
            out.push(b',');
        }
        if let Some(children) = self.children() {
            out.extend_from_slice(b"\"ChildShards\":");
            write_json(&mut out, &children)?;
            out.push(b',');
        }
        out.extend_from_slice(b"\"MillisBehindLatest\":");
        write_json(&mut out, &self.behind_ms)?;
        out.push(b'}');
        Ok(out)
    }
}

/// How far behind the tip of the shard a reader is.
pub(crate) fn behind_ms(read: &Records, now_ms: i64) -> i64 {
    let caught_up = read.next_offset >= read.end_offset;
    // The distance to the tip is the age of the last record read: all that came later is still to be read.
    match read.records.last() {
        Some(last) if !caught_up => (now_ms - last.arrival_ms).max(0),
        _ => 0,
    }
}

/// The shards to go on with when a shard has ended.
pub(crate) fn children_of(stream: &Stream, number: u32) -> Vec<ChildShard> {
    let children = stream.shards.iter().filter(|shard| shard.parents.contains(&number));
    let child = |shard: &ShardInfo| ChildShard {
        shard_id: shard_id(shard.number),
        parent_shards: shard.parents.iter().map(|parent| shard_id(*parent)).collect(),
        hash_key_range: HashKeyRange::of(shard),
    };
    children.map(child).collect()
}

/// Writes `"Records":[..],`.
pub(crate) fn write_records(out: &mut Vec<u8>, shard: &ShardInfo, records: &[Record]) -> Result<(), AwsError> {
    out.extend_from_slice(b"\"Records\":[");
    for (index, record) in records.iter().enumerate() {
        out.extend_from_slice(if index == 0 {
            b"{\"SequenceNumber\":\""
        } else {
            b",{\"SequenceNumber\":\""
        });
        Sequence::of_record(shard, record.offset, record.arrival_ms)
            .decimal()
            .write(out);
        out.extend_from_slice(b"\",\"ApproximateArrivalTimestamp\":");
        write_time(out, record.arrival_ms);
        out.extend_from_slice(b",\"Data\":\"");
        let at = out.len();
        out.resize(at + STANDARD.encoded_length(record.data.len()), 0);
        let _ = STANDARD.encode(&record.data, out[at..].as_out());
        out.extend_from_slice(b"\",\"PartitionKey\":");
        write_json(out, &String::from_utf8_lossy(&record.key))?;
        if record.is_encrypted {
            out.extend_from_slice(b",\"EncryptionType\":\"KMS\"");
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
    Ok(())
}

/// Seconds with three decimals.
fn write_time(out: &mut Vec<u8>, ms: i64) {
    let mut digits = [0; 20];
    let mut rest = ms.max(0);
    let mut at = digits.len();
    while rest > 0 || at > digits.len() - 5 {
        at -= 1;
        if digits.len() - at == 4 {
            digits[at] = b'.';
        } else {
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn write_json(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), AwsError> {
    serde_json::to_writer(out, value).map_err(AwsError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_three_decimals() {
        for (ms, text) in [
            (1_700_000_000_123, "1700000000.123"),
            (1_000, "1.000"),
            (7, "0.007"),
            (0, "0.000"),
            (12_345, "12.345"),
        ] {
            let mut out = Vec::new();
            write_time(&mut out, ms);
            assert_eq!(String::from_utf8(out).expect("text"), text);
        }
    }
}
