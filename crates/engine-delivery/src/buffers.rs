//! Records that wait for their object, by buffer key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

    /// The key without the reason that belongs to one record, and that reason.
    pub(crate) fn apart(self) -> (Self, Option<Box<str>>) {
        match self {
            Self::Error(kind, reason) => (Self::Error(kind, String::new()), Some(reason.into_boxed_str())),
            key => (key, None),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Partition(keys) => keys
                .iter()
                .map(|pair| size_of_val(pair) + pair.0.len() + pair.1.len())
                .sum(),
            Self::Error(..) => 0,
        }
    }
}

/// The memory that the buffers of all delivery streams share. Nobody waits for room: who finds none writes early
/// what it holds itself, and reads one page at least, so that every delivery stream gets on.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            taken: Arc::default(),
            bytes_max,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.bytes_max
    }

    #[cfg(test)]
    fn taken_bytes(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Records one behind the other in one piece of memory.
#[derive(Debug)]
pub(crate) struct Buffer {
    data: Vec<u8>,
    entries: Vec<Entry>,
    /// When the first of them was put here, by our clock.
    pub since_ms: Millis,
    /// When the oldest of them arrived in the log.
    pub oldest_ms: Millis,
    pub ranges: Vec<Range>,
    /// What it takes of the room, given back at its end.
    memory_bytes: usize,
    room: Room,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.memory_bytes, Ordering::Relaxed);
    }
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
    pub(crate) fn new(room: Room) -> Self {
        Self {
            data: Vec::new(),
            entries: Vec::new(),
            since_ms: 0,
            oldest_ms: 0,
            ranges: Vec::new(),
            memory_bytes: 0,
            room,
        }
    }

    fn take_room(&mut self, bytes: usize) {
        self.memory_bytes += bytes;
        self.room.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes a record and tells whether it is the first of its partition.
    pub(crate) fn push(&mut self, partition: u64, record: &Record, reason: Option<Box<str>>, now_ms: Millis) -> bool {
        self.take_room(size_of::<Entry>() + record.data.len() + reason.as_ref().map_or(0, |reason| reason.len()));
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
            Some(range) => {
                range.to = next;
                false
            }
            None => {
                self.ranges.push(Range {
                    partition,
                    from: record.offset,
                    to: next,
                });
                true
            }
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

/// All buffers of a delivery stream, in the orders that they are asked for in.
#[derive(Debug)]
pub(crate) struct Buffers {
    by_key: HashMap<Arc<BufferKey>, Waiting>,
    by_age: BTreeMap<(Millis, u64), Arc<BufferKey>>,
    by_size: BTreeMap<(usize, u64), Arc<BufferKey>>,
    /// By partition, the first offset of each buffer that has records of it.
    first_offsets: HashMap<u64, BTreeSet<(u64, u64)>>,
    records: usize,
    bytes: usize,
    /// What buffers are told apart by: how many were there before.
    numbers: u64,
    room: Room,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    buffer: Buffer,
}

impl Buffers {
    pub(crate) fn new(room: Room) -> Self {
        Self {
            by_key: HashMap::new(),
            by_age: BTreeMap::new(),
            by_size: BTreeMap::new(),
            first_offsets: HashMap::new(),
            records: 0,
            bytes: 0,
            numbers: 0,
            room,
        }
    }

    pub(crate) fn push(&mut self, key: BufferKey, partition: u64, record: &Record, now_ms: Millis) {
        // The reason of an error belongs to the record and not to the buffer.
        let (key, reason) = key.apart();
        let key = match self.by_key.get_key_value(&key) {
            Some((key, _)) => key.clone(),
            None => self.begin(key, now_ms),
        };
        let Some(waiting) = self.by_key.get_mut(&key) else {
            return;
        };
        let number = waiting.number;
        self.by_size.remove(&(waiting.buffer.bytes(), number));
        if waiting.buffer.push(partition, record, reason, now_ms) {
            self.first_offsets
                .entry(partition)
                .or_default()
                .insert((record.offset, number));
        }
        self.by_size.insert((waiting.buffer.bytes(), number), key);
        self.bytes += record.data.len();
        self.records += 1;
    }

    fn begin(&mut self, key: BufferKey, now_ms: Millis) -> Arc<BufferKey> {
        let (key, number) = (Arc::new(key), self.numbers);
        self.numbers += 1;
        let mut buffer = Buffer::new(self.room.clone());
        buffer.take_room(size_of::<Waiting>() + key.bytes());
        self.by_age.insert((now_ms, number), key.clone());
        self.by_key.insert(key.clone(), Waiting { number, buffer });
        key
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn records(&self) -> usize {
        self.records
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The keys of at most `most` buffers that are full, or that have waited `interval_ms`.
    pub(crate) fn due(&self, bytes: u64, interval_ms: Millis, now_ms: Millis, most: usize) -> Vec<BufferKey> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let old = self
            .by_age
            .iter()
            .take_while(|((since_ms, _), _)| now_ms - since_ms >= interval_ms);
        let full = self.by_size.range((bytes, 0)..);
        let keys: BTreeSet<_> = old
            .map(|(_, key)| key)
            .chain(full.map(|(_, key)| key))
            .take(most)
            .collect();
        keys.into_iter().map(|key| (**key).clone()).collect()
    }

    /// The keys of at most `most` buffers, the oldest first.
    pub(crate) fn oldest(&self, most: usize) -> Vec<BufferKey> {
        self.by_age.values().take(most).map(|key| (**key).clone()).collect()
    }

    /// The key of the buffer with the most bytes.
    pub(crate) fn largest(&self) -> Option<BufferKey> {
        self.by_size.last_key_value().map(|(_, key)| (**key).clone())
    }

    /// When the first buffer will have waited `interval_ms`.
    pub(crate) fn next_due_ms(&self, interval_ms: Millis) -> Option<Millis> {
        self.by_age
            .first_key_value()
            .map(|((since_ms, _), _)| since_ms + interval_ms)
    }

    pub(crate) fn oldest_ms(&self) -> Option<Millis> {
        self.by_key.values().map(|waiting| waiting.buffer.oldest_ms).min()
    }

    pub(crate) fn get(&self, key: &BufferKey) -> Option<&Buffer> {
        self.by_key.get(key).map(|waiting| &waiting.buffer)
    }

    pub(crate) fn take(&mut self, key: &BufferKey) -> Option<Buffer> {
        let Waiting { number, buffer } = self.by_key.remove(key)?;
        self.by_age.remove(&(buffer.since_ms, number));
        self.by_size.remove(&(buffer.bytes(), number));
        for range in &buffer.ranges {
            if let Some(firsts) = self.first_offsets.get_mut(&range.partition) {
                firsts.remove(&(range.from, number));
            }
        }
        self.bytes -= buffer.bytes();
        self.records -= buffer.len();
        Some(buffer)
    }

    /// The first offset of a partition that waits in any buffer.
    pub(crate) fn first_offset(&self, partition: u64) -> Option<u64> {
        self.first_offsets.get(&partition)?.first().map(|(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(offset: u64, data: &str) -> Record {
        Record {
            offset,
            arrival_ms: 1_000 + offset as Millis,
            key: Bytes::new(),
            explicit_hash_key: None,
            data: Bytes::copy_from_slice(data.as_bytes()),
            is_encrypted: false,
        }
    }

    fn key(name: &str) -> BufferKey {
        BufferKey::Partition(vec![("k".to_owned(), name.to_owned())])
    }

    #[test]
    fn buffers_are_found_by_age_and_size_and_bound_the_low_mark() {
        let mut buffers = Buffers::new(Room::new(usize::MAX));
        buffers.push(key("a"), 1, &record(5, "xx"), 10);
        buffers.push(key("b"), 1, &record(6, "xxxxx"), 20);
        buffers.push(key("a"), 2, &record(9, "x"), 30);
        buffers.push(key("c"), 2, &record(8, "x"), 40);
        assert_eq!((buffers.len(), buffers.records(), buffers.bytes()), (3, 4, 9));
        assert_eq!((buffers.first_offset(1), buffers.first_offset(2)), (Some(5), Some(8)));
        assert_eq!(buffers.due(100, 10, 30, 9), [key("a"), key("b")]);
        assert_eq!(buffers.due(4, 100, 30, 9), [key("b")]);
        assert_eq!(buffers.oldest(2), [key("a"), key("b")]);
        assert_eq!(buffers.largest(), Some(key("b")));
        assert_eq!(buffers.next_due_ms(5), Some(15));
        drop(buffers.take(&key("a")));
        assert_eq!((buffers.first_offset(1), buffers.first_offset(2)), (Some(6), Some(8)));
        assert_eq!(buffers.next_due_ms(5), Some(25));
        drop((buffers.take(&key("b")), buffers.take(&key("c"))));
        assert_eq!(
            (buffers.first_offset(1), buffers.is_empty(), buffers.largest()),
            (None, true, None)
        );
        assert_eq!((buffers.records(), buffers.bytes()), (0, 0));
    }

    #[test]
    fn entries_keys_and_reasons_take_room_until_the_buffer_ends() {
        let room = Room::new(8_000);
        let mut buffers = Buffers::new(room.clone());
        for offset in 0..100 {
            let reason = BufferKey::Error(ErrorType::MetadataExtractionFailed, "why ".repeat(10));
            buffers.push(reason, 1, &record(offset, ""), 0);
        }
        assert!(
            room.taken_bytes() >= 100 * (40 + size_of::<Entry>()),
            "{}",
            room.taken_bytes()
        );
        assert!(room.is_full());
        let key = buffers.largest().expect("a buffer");
        let buffer = buffers.take(&key);
        assert!(room.is_full(), "what is being written is in memory still");
        drop(buffer);
        assert_eq!(room.taken_bytes(), 0);
    }
}
