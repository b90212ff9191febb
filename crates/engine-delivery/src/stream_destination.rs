//! Delivery to a data stream.
//!
//! The batches of a plan have its id for their producer. Before each attempt, what the stream has of that producer is
//! looked for behind where the stream ended when the plan was made, and only what is missing is appended. So a record is
//! there once whatever happens, and the records of one partition key are in order.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::{Millis, Scope};
use engine_log::streams::{HashKey, Kind, Stream, StreamId, Streams};
use engine_log::{Batch, LogError, ProducerId};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::DeliveryParts;
use crate::buffers::{Buffer, Held};
use crate::checkpoint::StreamPlan;
use crate::error_document::{self, Failed};
use crate::worker::Shared;
use crate::write::Sent;

/// What is appended at once. Any record fits in.
const APPEND_BYTES: usize = 4 << 20;
/// What is read of a partition at once.
const READ_BYTES: usize = 4 << 20;
const READ_RECORDS: usize = 10_000;
/// As PutRecord has it.
const KEY_CHARACTERS_MAX: usize = 256;
/// How often an attempt looks for the shards again. Each time somebody has changed them meanwhile.
const ROUTES_MAX: usize = 8;
/// Between attempts; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// A data stream of the same account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamDestination {
    pub scope: Scope,
    pub name: String,
    /// For so long is tried again what failed.
    pub retry_ms: Millis,
}

impl StreamDestination {
    pub(crate) fn id(&self) -> StreamId {
        StreamId::new(Kind::Data, &self.scope, self.name.clone())
    }

    /// The partitions of the stream's shards and where they end.
    pub(crate) fn ends(&self, streams: &Streams) -> Vec<(u64, u64)> {
        let stream = streams.get(&self.id());
        let partitions = stream.iter().flat_map(|stream| stream.partitions());
        partitions
            .map(|partition| (partition.id(), partition.end_offset()))
            .collect()
    }
}

/// A buffer on its way into the stream.
pub(crate) struct Appending<'a> {
    pub parts: &'a DeliveryParts,
    pub shared: &'a Shared,
    pub stream: &'a StreamDestination,
    pub plan: &'a StreamPlan,
    /// Of the settings that it is appended by.
    pub version: u64,
    /// That of the plan.
    pub id: Uuid,
    pub buffer: &'a Buffer,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
struct Failure {
    code: &'static str,
    message: String,
    /// Whether what was appended may come to light when the log is opened again.
    is_uncertain: bool,
}

impl Failure {
    fn new(code: &'static str, message: String) -> Self {
        Self {
            code,
            message,
            is_uncertain: false,
        }
    }
}

/// What the stream has of a plan: by a record's digest, how many there are.
type There = HashMap<u128, usize>;

impl Appending<'_> {
    /// Tries until the stream has every record that it can take, or the time for that is over. Ends with an error only
    /// when it is to stop, or to go on by other settings.
    pub(crate) async fn run(&self) -> Result<Sent, String> {
        let clock = &self.parts.clock;
        let began_ms = clock.now_ms();
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(attempt).await {
                Ok(sent) => return Ok(sent),
                Err(failure) => failure,
            };
            let (stream, told) = (&self.stream.name, failure.to_string());
            tracing::warn!(stream, attempt, told, "a data stream did not take records");
            self.shared.note_failure(told.clone());
            // Who waited before may have been the one to hear of new settings.
            if self.shared.is_superseded(self.version) {
                return Err(told);
            }
            let is_over = clock.now_ms() + pause.as_millis() as Millis > began_ms + self.stream.retry_ms;
            if is_over && !failure.is_uncertain {
                return self.give_up(attempt, &failure).await;
            }
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = self.shared.changed.notified() => return Err(told),
                () = self.shared.stop.cancelled() => return Err("the delivery stops".to_owned()),
            }
            pause = (pause * 2).min(PAUSE_MAX);
            attempt += 1;
        }
    }

    fn stream(&self) -> Option<Arc<Stream>> {
        self.parts.streams.get(&self.stream.id())
    }

    async fn attempt(&self, attempt: u32) -> Result<Sent, Failure> {
        let mut routes = 1;
        loop {
            let (name, region) = (&self.stream.name, &self.stream.scope.region);
            let missing = || format!("there is no stream {name} in {region}");
            let stream = self
                .stream()
                .ok_or_else(|| Failure::new("Kinesis.ResourceNotFoundException", missing()))?;
            match self.append_missing(&stream, attempt).await {
                Ok(sent) => return Ok(sent),
                // Somebody is changing its shards.
                Err(LogError::Fenced) if routes < ROUTES_MAX => self.parts.streams.settled().await,
                Err(error) => return Err(failed(&error)),
            }
            routes += 1;
        }
    }

    async fn append_missing(&self, stream: &Stream, attempt: u32) -> Result<Sent, LogError> {
        let mut there = self.there(stream).await?;
        let mut sent = Sent::default();
        let mut pending = Pending::new(self, stream);
        for part in self.buffer.parts() {
            let part = part.map_err(|error| LogError::Io(error.to_string()))?;
            for held in part.records() {
                let (key, data) = self.record(&held);
                if let Some(why) = refusal(stream, &key, &data) {
                    let failure = Failure::new("Kinesis.ValidationException", why);
                    self.document(attempt, &failure, &held, &mut sent);
                    continue;
                }
                sent.bytes += data.len() as u64;
                if !take_one(&mut there, &key, &data) {
                    pending.push(&key, &data)?;
                }
                if pending.bytes() >= APPEND_BYTES {
                    pending.append().await?;
                    sent.requests += 1;
                }
            }
        }
        if pending.bytes() > 0 {
            pending.append().await?;
            sent.requests += 1;
        }
        Ok(sent)
    }

    /// Documents what is not in the stream.
    async fn give_up(&self, attempts: u32, failure: &Failure) -> Result<Sent, String> {
        let mut there = match self.stream() {
            Some(stream) => self.there(&stream).await.map_err(|error| failed(&error).to_string())?,
            None => There::new(),
        };
        let mut sent = Sent {
            refused: Some(failure.to_string()),
            ..Sent::default()
        };
        for part in self.buffer.parts() {
            for held in part.map_err(|error| error.to_string())?.records() {
                let (key, data) = self.record(&held);
                if take_one(&mut there, &key, &data) {
                    sent.bytes += data.len() as u64;
                } else {
                    self.document(attempts, failure, &held, &mut sent);
                }
            }
        }
        Ok(sent)
    }

    fn producer(&self) -> ProducerId {
        ProducerId::of(self.id.as_u128())
    }

    /// What the stream has of the plan.
    async fn there(&self, stream: &Stream) -> Result<There, LogError> {
        let log = self.parts.streams.log();
        let mut there = There::new();
        for partition in stream.partitions() {
            let end = self.plan.ends.iter().find(|(id, _)| *id == partition.id());
            let mut from = end.map_or(0, |(_, end)| *end);
            while from < partition.end_offset() {
                let read = log.read_of(self.producer(), partition, from, READ_BYTES, READ_RECORDS);
                let read = read.await?;
                from = read.next_offset;
                for record in read.records {
                    *there.entry(digest(&record.key, &record.data)).or_default() += 1;
                }
            }
        }
        Ok(there)
    }

    /// The partition key and the data that a record has in the stream. What came without a key, as direct puts do, gets
    /// one of its own, the same each time.
    fn record<'r>(&self, held: &Held<'r>) -> (Cow<'r, [u8]>, Cow<'r, [u8]>) {
        let key = match held.partition_key {
            [] => {
                let place = u128::from(held.offset) << 32 | u128::from(held.piece);
                Cow::Owned(Uuid::from_u128(self.id.as_u128() ^ place).to_string().into_bytes())
            }
            key => Cow::Borrowed(key),
        };
        let data = match self.plan.delimiter.as_bytes() {
            [] => Cow::Borrowed(held.data),
            delimiter => Cow::Owned([held.data, delimiter].concat()),
        };
        (key, data)
    }

    fn document(&self, attempts: u32, failure: &Failure, held: &Held<'_>, sent: &mut Sent) {
        let failed = Failed {
            attempts,
            arrival_ms: held.arrival_ms,
            data: held.data,
            code: failure.code,
            message: &failure.message,
            conversion: None,
        };
        error_document::write(&failed, self.parts.clock.now_ms(), &mut sent.documents);
        sent.failed += 1;
    }
}

/// What is appended next: a batch for each shard that has records.
struct Pending<'a> {
    appending: &'a Appending<'a>,
    stream: &'a Stream,
    batches: BTreeMap<usize, Batch>,
}

impl<'a> Pending<'a> {
    fn new(appending: &'a Appending<'a>, stream: &'a Stream) -> Self {
        Self {
            appending,
            stream,
            batches: BTreeMap::new(),
        }
    }

    /// What the batches take in the log.
    fn bytes(&self) -> usize {
        self.batches.values().map(Batch::frame_bytes).sum()
    }

    fn push(&mut self, key: &[u8], data: &[u8]) -> Result<(), LogError> {
        let shard = self.stream.shard_for(HashKey::of(key)).ok_or(LogError::NoPartition)?;
        let batch = match self.batches.entry(shard) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let parts = self.appending.parts;
                let bytes = APPEND_BYTES / self.stream.open_shards().max(1);
                let mut batch = self
                    .stream
                    .batch(parts.streams.log(), shard, parts.clock.now_ms(), bytes)?;
                batch.set_producer(self.appending.producer());
                entry.insert(batch)
            }
        };
        batch.push(key, None, data);
        Ok(())
    }

    async fn append(&mut self) -> Result<(), LogError> {
        let batches = std::mem::take(&mut self.batches).into_values().collect();
        self.appending.parts.streams.log().append(batches).await.map(drop)
    }
}

fn failed(error: &LogError) -> Failure {
    let code = match error {
        LogError::Key(_) => "Kinesis.KMSAccessFailed",
        _ => "Kinesis.PutFailed",
    };
    Failure {
        code,
        message: error.to_string(),
        is_uncertain: matches!(error, LogError::Poisoned(_) | LogError::Closed),
    }
}

/// Why the stream does not take a record, if it does not.
fn refusal(stream: &Stream, key: &[u8], data: &[u8]) -> Option<String> {
    let (bytes, bytes_max) = (key.len() + data.len(), stream.record_bytes_max as usize);
    if bytes > bytes_max {
        return Some(format!(
            "the record has {bytes} bytes, partition key included, and the stream takes {bytes_max}"
        ));
    }
    // Producers can put any key into an aggregate.
    let characters = std::str::from_utf8(key).map(|key| key.encode_utf16().count());
    if characters.is_ok_and(|characters| characters <= KEY_CHARACTERS_MAX) {
        return None;
    }
    Some(format!(
        "the partition key is no text of at most {KEY_CHARACTERS_MAX} characters"
    ))
}

fn digest(key: &[u8], data: &[u8]) -> u128 {
    let mut digest = Md5::new();
    digest.update((key.len() as u64).to_le_bytes());
    digest.update(key);
    digest.update(data);
    u128::from_le_bytes(digest.finalize().into())
}

/// Whether a record is there, which is then counted off.
fn take_one(there: &mut There, key: &[u8], data: &[u8]) -> bool {
    if there.is_empty() {
        return false;
    }
    match there.get_mut(&digest(key, data)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}
