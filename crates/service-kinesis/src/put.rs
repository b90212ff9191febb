//! Records on their way into the log: each goes to its shard's batch, and one append takes all batches.

use std::sync::Arc;

use engine_log::streams::{HashKey, Stream};
use engine_log::{Batch, LogError};
use protocol_aws::AwsError;

use crate::errors::{self, invalid_argument, validation};
use crate::sequence::{Decimal, Sequence};
use crate::{Call, Kinesis};

/// In UTF-16 units, as the service counts.
pub(crate) const PARTITION_KEY_UNITS_MAX: usize = 256;
/// Data and partition keys of one PutRecords together.
pub(crate) const CALL_BYTES_MAX: usize = 10 << 20;

pub(crate) struct Put<'k> {
    kinesis: &'k Kinesis,
    stream: Arc<Stream>,
    batches: Vec<Batch>,
    /// Per shard, which of the batches is its.
    batch_of: Vec<Option<u32>>,
    /// Per record, its batch and its place in it, or the shard that has had enough.
    places: Vec<Result<(u32, u32), u32>>,
    batch_shards: Vec<u32>,
    batch_bytes: usize,
    created_ms: i64,
    bytes: usize,
}

/// What became of a record.
pub(crate) struct Done {
    pub(crate) shard: u32,
    /// Absent where the shard has had enough for now.
    pub(crate) sequence: Option<Decimal>,
}

impl<'k> Put<'k> {
    /// `bytes_about` is a guess at the size of all records.
    pub(crate) fn new(kinesis: &'k Kinesis, stream: Arc<Stream>, records: usize, bytes_about: usize) -> Self {
        let open = stream.open_shards().max(1).min(records.max(1));
        Self {
            kinesis,
            batches: Vec::with_capacity(open),
            batch_of: vec![None; stream.shards.len()],
            places: Vec::with_capacity(records),
            batch_shards: Vec::with_capacity(open),
            // Keys do not fall quite evenly.
            batch_bytes: bytes_about / open * 5 / 4 + records / open * 24,
            created_ms: kinesis.clock.now_ms(),
            stream,
            bytes: 0,
        }
    }

    /// Adds a record whose data, of `data_bytes`, `fill` writes. `path` names the record in an error.
    pub(crate) fn add(
        &mut self,
        key: &str,
        explicit_hash_key: Option<&str>,
        data_bytes: usize,
        path: &dyn Fn(&str) -> String,
        fill: impl FnOnce(&mut [u8]) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        let hash = match explicit_hash_key {
            None => HashKey::of(key.as_bytes()),
            Some(text) => text.parse().map_err(|_| {
                let range = "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1].";
                invalid_argument(format!("{range} Specified value was {text}"))
            })?,
        };
        let bytes_max = self.stream.record_bytes_max as usize;
        if data_bytes + key.len() > bytes_max {
            return Err(validation(
                "",
                &path("data"),
                &format!("Member must have length less than or equal to {bytes_max}"),
            ));
        }
        self.bytes += data_bytes + key.len();
        let Some(shard) = self.stream.shard_for(hash) else {
            return Err(AwsError::internal(format!(
                "no open shard of stream {} takes hash key {hash}",
                self.stream.id.name
            )));
        };
        if let Some(limits) = &self.kinesis.limits {
            let partition = self.stream.partitions()[shard].id();
            if !limits.write(partition, data_bytes + key.len(), self.created_ms) {
                self.places.push(Err(self.stream.shards[shard].number));
                return Ok(());
            }
        }
        let batch_index = match self.batch_of[shard] {
            Some(index) => index,
            None => {
                let log = self.kinesis.streams.log();
                let batch = self.stream.batch(log, shard, self.created_ms, self.batch_bytes);
                self.batches
                    .push(batch.map_err(|error| errors::from_log(&self.stream.id.scope, &self.stream.id.name, error))?);
                self.batch_shards.push(shard as u32);
                let index = self.batches.len() as u32 - 1;
                self.batch_of[shard] = Some(index);
                index
            }
        };
        let batch = &mut self.batches[batch_index as usize];
        let place = batch.len() as u32;
        batch.push_with(key.as_bytes(), explicit_hash_key.map(str::as_bytes), data_bytes, fill)?;
        self.places.push(Ok((batch_index, place)));
        Ok(())
    }

    /// Data and keys so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the records and tells for each, in the order they were added, what became of it.
    pub(crate) async fn append(self) -> Result<Vec<Done>, LogError> {
        let appended = self.kinesis.streams.log().append(self.batches).await?;
        let firsts = appended.iter().zip(&self.batch_shards).map(|(appended, shard)| {
            let info = &self.stream.shards[*shard as usize];
            (
                info.number,
                Sequence::of_record(info, appended.base_offset, appended.arrival_ms).decimal(),
            )
        });
        let firsts = firsts.collect::<Vec<_>>();
        let done = self.places.iter().map(|place| match *place {
            Ok((batch, place)) => {
                let (shard, first) = firsts[batch as usize];
                Done {
                    shard,
                    sequence: Some(first.plus(u64::from(place))),
                }
            }
            Err(shard) => Done { shard, sequence: None },
        });
        Ok(done.collect())
    }
}

/// Whether a put to the stream may take the hot path, which knows neither quotas nor encryption.
pub(crate) fn is_ordinary(call: &Call, stream: &Stream) -> bool {
    call.limits.is_none() && stream.encryption_key.is_none()
}

/// How often a put looks for its shards again. Each time somebody else has changed the stream meanwhile.
const ROUTES_MAX: usize = 8;

/// Prepares a put and appends it; where a shard is closed in between, again with the stream as it is then.
pub(crate) async fn append<'k>(
    call: &'k Call,
    mut stream: Arc<Stream>,
    prepare: impl Fn(Arc<Stream>) -> Result<Put<'k>, AwsError>,
) -> Result<Vec<Done>, AwsError> {
    let mut routes = 1;
    loop {
        match prepare(stream.clone())?.append().await {
            Err(LogError::Fenced) if routes < ROUTES_MAX => {
                call.streams.settled().await;
                stream = call.stream(call.scope(), Some(&stream.id.name), None)?;
                routes += 1;
            }
            done => return done.map_err(|error| errors::from_log(call.scope(), &stream.id.name, error)),
        }
    }
}

/// The size of what a base64 text with padding holds, if its length is one.
pub(crate) fn decoded_bytes(base64: &[u8]) -> Option<usize> {
    if !base64.len().is_multiple_of(4) {
        return None;
    }
    let padding = base64.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    (base64.len() / 4 * 3).checked_sub(padding)
}

/// The length of a partition key as the service counts it.
pub(crate) fn key_units(key: &str) -> usize {
    // No key has more units than bytes, and nearly all are short.
    if key.len() <= PARTITION_KEY_UNITS_MAX {
        key.len()
    } else {
        key.encode_utf16().count()
    }
}

/// Writes `"SequenceNumber":"..","ShardId":".."`. Only where there are no quotas, which leave out the number.
pub(crate) fn write_done(done: &Done, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"SequenceNumber\":\"");
    if let Some(sequence) = done.sequence {
        sequence.write(out);
    }
    out.extend_from_slice(b"\",\"ShardId\":\"shardId-");
    let mut digits = [b'0'; 12];
    let mut rest = done.shard;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
    out.push(b'"');
}

pub(crate) fn partition_key_missing(path: &str) -> AwsError {
    validation(" null", path, "Member must not be null")
}
