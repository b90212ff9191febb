//! Shard iterators: a stream, a shard, an offset and when it was given out.

use std::sync::Arc;

use base::{Millis, Scope};
use chrono::DateTime;
use engine_log::streams::Stream;
use protocol_aws::AwsError;

use crate::errors::{invalid_argument, shard_not_found};
use crate::shapes::{shard_id, stream_id};
use crate::{Kinesis, token};

const PURPOSE: &str = "shard iterator 1";
pub(crate) const LIFE_MS: Millis = 300_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Iterator {
    pub(crate) stream: String,
    /// Tells a stream from a later one of the same name.
    pub(crate) uid: u64,
    pub(crate) shard: u32,
    /// The next record to read.
    pub(crate) offset: u64,
    pub(crate) given_ms: Millis,
}

impl Iterator {
    pub(crate) fn new(stream: &Stream, shard: u32, offset: u64, given_ms: Millis) -> Self {
        Self {
            stream: stream.id.name.clone(),
            uid: stream.uid,
            shard,
            offset,
            given_ms,
        }
    }

    pub(crate) fn seal(&self) -> String {
        let mut content = Vec::with_capacity(192);
        content.extend(self.uid.to_be_bytes());
        content.extend(self.shard.to_be_bytes());
        content.extend(self.offset.to_be_bytes());
        content.extend(self.given_ms.to_be_bytes());
        content.extend(self.stream.as_bytes());
        token::seal(PURPOSE, content)
    }

    fn open(text: &str) -> Option<Self> {
        let content = token::open(PURPOSE, text)?;
        let (uid, rest) = content.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (given_ms, name) = rest.split_first_chunk()?;
        Some(Self {
            stream: String::from_utf8(name.to_vec()).ok()?,
            uid: u64::from_be_bytes(*uid),
            shard: u32::from_be_bytes(*shard),
            offset: u64::from_be_bytes(*offset),
            given_ms: Millis::from_be_bytes(*given_ms),
        })
    }
}

/// Whether a text is a shard iterator of the stream of this name.
pub fn iterator_is_of(text: &str, stream: &str) -> bool {
    Iterator::open(text).is_some_and(|iterator| iterator.stream == stream)
}

impl Kinesis {
    /// What an iterator leads to: the stream, the index of the shard and the iterator's parts.
    pub(crate) fn iterator(&self, scope: &Scope, text: &str) -> Result<(Arc<Stream>, usize, Iterator), AwsError> {
        let iterator = Iterator::open(text).ok_or_else(|| invalid_argument("Invalid ShardIterator."))?;
        let now_ms = self.clock.now_ms();
        if now_ms - iterator.given_ms > LIFE_MS {
            let message = format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
                 future than the tolerated delay of {LIFE_MS} milliseconds.",
                java_date(iterator.given_ms),
                java_date(now_ms)
            );
            return Err(AwsError::new("ExpiredIteratorException", message));
        }
        let stream = self
            .streams
            .get(&stream_id(scope, &iterator.stream))
            .filter(|stream| stream.uid == iterator.uid);
        let missing = || shard_not_found(scope, &iterator.stream, &shard_id(iterator.shard));
        let stream = stream.ok_or_else(missing)?;
        let shard = stream
            .shards
            .iter()
            .position(|shard| shard.number == iterator.shard)
            .ok_or_else(missing)?;
        Ok((stream, shard, iterator))
    }
}

/// As Java's `Date` prints itself, such as `Thu Dec 10 01:59:39 UTC 2015`.
fn java_date(ms: Millis) -> String {
    DateTime::from_timestamp_millis(ms)
        .map(|time| time.format("%a %b %d %H:%M:%S UTC %Y").to_string())
        .unwrap_or_default()
}
