//! Records that wait for their object, by buffer key.

use std::collections::HashMap;

use base::Millis;
use engine_log::Record;

use crate::checkpoint::Range;
use crate::error_document::ErrorType;

/// Which buffer a record belongs to: the records of one buffer share their place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum BufferKey {
    Partition(Vec<(String, String)>),
    Error(ErrorType, String),
}

impl BufferKey {
    /// The key as it is kept.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Partition(keys) => serde_json::json!({ "keys": keys }).to_string(),
            Self::Error(kind, _) => serde_json::json!({ "error": kind.as_str() }).to_string(),
        }
    }
}

/// Records one behind the other in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    data: Vec<u8>,
    entries: Vec<Entry>,
    /// When the first of them was put here, by our clock.
    pub since_ms: Millis,
    /// When the oldest of them arrived in the log.
    pub oldest_ms: Millis,
    pub ranges: Vec<Range>,
}

#[derive(Debug, Clone)]
struct Entry {
    end: usize,
    offset: u64,
    arrival_ms: Millis,
    /// Why it is in an error buffer.
    reason: Option<Box<str>>,
}

/// A record in a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'b> {
    pub data: &'b [u8],
    pub offset: u64,
    pub arrival_ms: Millis,
    pub reason: Option<&'b str>,
}

impl Buffer {
    pub(crate) fn push(&mut self, partition: u64, record: &Record, reason: Option<Box<str>>, now_ms: Millis) {
        if self.entries.is_empty() {
            self.since_ms = now_ms;
            self.oldest_ms = record.arrival_ms;
        }
        self.oldest_ms = self.oldest_ms.min(record.arrival_ms);
        self.data.extend_from_slice(&record.data);
        self.entries.push(Entry {
            end: self.data.len(),
            offset: record.offset,
            arrival_ms: record.arrival_ms,
            reason,
        });
        let next = record.offset + 1;
        match self.ranges.iter_mut().find(|range| range.partition == partition) {
            Some(range) => range.to = next,
            None => self.ranges.push(Range {
                partition,
                from: record.offset,
                to: next,
            }),
        }
    }

    /// Bytes of records.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Held<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let data = &self.data[start..entry.end];
            start = entry.end;
            Held {
                data,
                offset: entry.offset,
                arrival_ms: entry.arrival_ms,
                reason: entry.reason.as_deref(),
            }
        })
    }
}

/// All buffers of a delivery stream.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    by_key: HashMap<BufferKey, Buffer>,
    bytes: usize,
}

impl Buffers {
    pub(crate) fn push(&mut self, key: BufferKey, partition: u64, record: &Record, now_ms: Millis) {
        self.bytes += record.data.len();
        // The reason of an error belongs to the record and not to the buffer.
        let (key, reason) = match key {
            BufferKey::Error(kind, reason) => (BufferKey::Error(kind, String::new()), Some(reason.into_boxed_str())),
            key => (key, None),
        };
        self.by_key
            .entry(key)
            .or_default()
            .push(partition, record, reason, now_ms);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn records(&self) -> usize {
        self.by_key.values().map(Buffer::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The keys of at most `most` buffers that are full, or that have waited `interval_ms`.
    pub(crate) fn due(&self, bytes: u64, interval_ms: Millis, now_ms: Millis, most: usize) -> Vec<BufferKey> {
        let due = |buffer: &Buffer| buffer.bytes() as u64 >= bytes || now_ms - buffer.since_ms >= interval_ms;
        self.by_key
            .iter()
            .filter(|(_, buffer)| due(buffer))
            .map(|(key, _)| key.clone())
            .take(most)
            .collect()
    }

    pub(crate) fn keys(&self, most: usize) -> Vec<BufferKey> {
        self.by_key.keys().take(most).cloned().collect()
    }

    /// The key of the buffer with the most bytes.
    pub(crate) fn largest(&self) -> Option<BufferKey> {
        self.by_key
            .iter()
            .max_by_key(|(_, buffer)| buffer.bytes())
            .map(|(key, _)| key.clone())
    }

    /// When the first buffer will have waited `interval_ms`.
    pub(crate) fn next_due_ms(&self, interval_ms: Millis) -> Option<Millis> {
        self.by_key.values().map(|buffer| buffer.since_ms + interval_ms).min()
    }

    pub(crate) fn oldest_ms(&self) -> Option<Millis> {
        self.by_key.values().map(|buffer| buffer.oldest_ms).min()
    }

    pub(crate) fn get(&self, key: &BufferKey) -> Option<&Buffer> {
        self.by_key.get(key)
    }

    pub(crate) fn take(&mut self, key: &BufferKey) -> Option<Buffer> {
        let buffer = self.by_key.remove(key)?;
        self.bytes -= buffer.bytes();
        Some(buffer)
    }

    /// By partition, the first offset that waits in any buffer.
    pub(crate) fn first_offsets(&self) -> HashMap<u64, u64> {
        let mut first = HashMap::new();
        for range in self.by_key.values().flat_map(|buffer| &buffer.ranges) {
            let known = first.entry(range.partition).or_insert(range.from);
            *known = (*known).min(range.from);
        }
        first
    }
}
