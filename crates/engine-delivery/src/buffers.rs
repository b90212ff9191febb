//! Records that wait for their object, by buffer key.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::Millis;

use crate::checkpoint::Range;
use crate::error_document::ErrorType;
use crate::spill::{Extent, Spill};

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

/// The memory that the buffers of all delivery streams share. Nobody waits for room: who finds none spills what it holds
/// itself, and reads one page at least, so that every delivery stream gets on.
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

/// Records that share a place, in the order in which they were read.
#[derive(Debug)]
pub(crate) struct Buffer {
    parts: Vec<Part>,
    records: usize,
    bytes: usize,
    /// What stands between records when they are written.
    delimiter_bytes: usize,
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

/// Records with a head before each.
#[derive(Debug)]
enum Part {
    Memory(Vec<u8>),
    Spilled(Extent),
}

/// A new part begins when one has so many bytes, so that what is spilled comes back in pieces.
const PART_BYTES: usize = 4 << 20;

/// A record in a buffer, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held<'b> {
    pub data: &'b [u8],
    /// Where it may be wanted; empty otherwise.
    pub partition_key: &'b [u8],
    pub offset: u64,
    /// Which piece of its record it is.
    pub piece: u32,
    pub arrival_ms: Millis,
    /// Why it is in an error buffer.
    pub reason: Option<&'b str>,
}

impl<'b> Held<'b> {
    fn write(&self, out: &mut Vec<u8>) {
        let reason = self.reason.unwrap_or_default();
        out.extend_from_slice(&(self.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&(reason.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.partition_key.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.piece.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.arrival_ms.to_le_bytes());
        out.extend_from_slice(self.partition_key);
        out.extend_from_slice(self.data);
        out.extend_from_slice(reason.as_bytes());
    }

    /// The first record of a part and what is behind it.
    fn read(part: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let (data_bytes, rest) = part.split_first_chunk()?;
        let (reason_bytes, rest) = rest.split_first_chunk()?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let (piece, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (arrival_ms, rest) = rest.split_first_chunk()?;
        let (partition_key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_bytes) as usize)?;
        let (data, rest) = rest.split_at_checked(u32::from_le_bytes(*data_bytes) as usize)?;
        let (reason, rest) = rest.split_at_checked(u32::from_le_bytes(*reason_bytes) as usize)?;
        let held = Self {
            data,
            partition_key,
            offset: u64::from_le_bytes(*offset),
            piece: u32::from_le_bytes(*piece),
            arrival_ms: Millis::from_le_bytes(*arrival_ms),
            reason: std::str::from_utf8(reason).ok().filter(|reason| !reason.is_empty()),
        };
        Some((held, rest))
    }
}

/// The records of a part, in memory.
pub(crate) struct Loaded<'b>(Cow<'b, [u8]>);

impl Loaded<'_> {
    pub(crate) fn records(&self) -> impl Iterator<Item = Held<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (held, behind) = Held::read(rest)?;
            rest = behind;
            Some(held)
        })
    }
}

impl Buffer {
    pub(crate) fn new(room: Room, delimiter_bytes: usize) -> Self {
        Self {
            parts: Vec::new(),
            records: 0,
            bytes: 0,
            delimiter_bytes,
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
    pub(crate) fn push(&mut self, partition: u64, held: Held<'_>, now_ms: Millis) -> bool {
        if self.records == 0 {
            self.since_ms = now_ms;
            self.oldest_ms = held.arrival_ms;
        }
        self.oldest_ms = self.oldest_ms.min(held.arrival_ms);
        let taken = match self.parts.last_mut() {
            Some(Part::Memory(part)) if part.len() < PART_BYTES => {
                let before = part.capacity();
                held.write(part);
                part.capacity() - before
            }
            _ => {
                let mut part = Vec::new();
                held.write(&mut part);
                let taken = part.capacity();
                self.parts.push(Part::Memory(part));
                taken
            }
        };
        self.take_room(taken);
        self.records += 1;
        self.bytes += held.data.len() + self.delimiter_bytes;
        let next = held.offset + 1;
        match self.ranges.iter_mut().find(|range| range.partition == partition) {
            Some(range) => {
                range.to = next;
                false
            }
            None => {
                self.ranges.push(Range {
                    partition,
                    from: held.offset,
                    to: next,
                });
                true
            }
        }
    }

    /// Bytes of records, with what stands between them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.records
    }

    /// The records, part by part. Reads those that were spilled.
    pub(crate) fn parts(&self) -> impl Iterator<Item = io::Result<Loaded<'_>>> {
        self.parts.iter().map(|part| match part {
            Part::Memory(part) => Ok(Loaded(Cow::Borrowed(part))),
            Part::Spilled(extent) => Ok(Loaded(Cow::Owned(extent.read()?))),
        })
    }

    /// Moves the records out of memory.
    fn spill(&mut self, spill: &mut Spill) -> io::Result<()> {
        for part in &mut self.parts {
            if let Part::Memory(records) = part {
                let (extent, bytes) = (spill.write(records)?, records.capacity());
                *part = Part::Spilled(extent);
                self.memory_bytes -= bytes;
                self.room.taken.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        Ok(())
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
    delimiter_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    buffer: Buffer,
}

impl Buffers {
    pub(crate) fn new(room: Room, delimiter_bytes: usize) -> Self {
        Self {
            by_key: HashMap::new(),
            by_age: BTreeMap::new(),
            by_size: BTreeMap::new(),
            first_offsets: HashMap::new(),
            records: 0,
            bytes: 0,
            numbers: 0,
            room,
            delimiter_bytes,
        }
    }

    pub(crate) fn push(&mut self, key: BufferKey, partition: u64, held: Held<'_>, now_ms: Millis) {
        // The reason of an error belongs to the record and not to the buffer.
        let (key, reason) = key.apart();
        let held = Held {
            reason: reason.as_deref(),
            ..held
        };
        let key = match self.by_key.get_key_value(&key) {
            Some((key, _)) => key.clone(),
            None => self.begin(key, now_ms),
        };
        let Some(waiting) = self.by_key.get_mut(&key) else {
            return;
        };
        let (number, before) = (waiting.number, waiting.buffer.bytes());
        self.by_size.remove(&(before, number));
        if waiting.buffer.push(partition, held, now_ms) {
            self.first_offsets
                .entry(partition)
                .or_default()
                .insert((held.offset, number));
        }
        self.bytes += waiting.buffer.bytes() - before;
        self.by_size.insert((waiting.buffer.bytes(), number), key);
        self.records += 1;
    }

    fn begin(&mut self, key: BufferKey, now_ms: Millis) -> Arc<BufferKey> {
        let (key, number) = (Arc::new(key), self.numbers);
        self.numbers += 1;
        let mut buffer = Buffer::new(self.room.clone(), self.delimiter_bytes);
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

    /// Moves all records out of memory. Where that fails, those that could not be moved stay.
    pub(crate) fn spill(&mut self, spill: &mut Spill) -> io::Result<()> {
        let mut buffers = self.by_key.values_mut().map(|waiting| &mut waiting.buffer);
        buffers.try_for_each(|buffer| buffer.spill(spill))
    }

    /// The first offset of a partition that waits in any buffer.
    pub(crate) fn first_offset(&self, partition: u64) -> Option<u64> {
        self.first_offsets.get(&partition)?.first().map(|(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64, data: &str) -> Held<'_> {
        Held {
            data: data.as_bytes(),
            partition_key: b"key",
            offset,
            piece: 0,
            arrival_ms: 1_000 + offset as Millis,
            reason: None,
        }
    }

    fn key(name: &str) -> BufferKey {
        BufferKey::Partition(vec![("k".to_owned(), name.to_owned())])
    }

    #[test]
    fn buffers_are_found_by_age_and_size_and_bound_the_low_mark() {
        let mut buffers = Buffers::new(Room::new(usize::MAX), 0);
        buffers.push(key("a"), 1, record(5, "xx"), 10);
        buffers.push(key("b"), 1, record(6, "xxxxx"), 20);
        buffers.push(key("a"), 2, record(9, "x"), 30);
        buffers.push(key("c"), 2, record(8, "x"), 40);
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
    fn records_heads_keys_and_reasons_take_room_until_the_buffer_ends() {
        const HEAD_BYTES: usize = 32;
        let room = Room::new(6_000);
        let mut buffers = Buffers::new(room.clone(), 0);
        for offset in 0..100 {
            let reason = BufferKey::Error(ErrorType::MetadataExtraction, "why ".repeat(10));
            buffers.push(reason, 1, record(offset, ""), 0);
        }
        assert!(room.taken_bytes() >= 100 * (40 + HEAD_BYTES), "{}", room.taken_bytes());
        assert!(room.is_full());
        let key = buffers.largest().expect("a buffer");
        let buffer = buffers.take(&key);
        assert!(room.is_full(), "what is being written is in memory still");
        drop(buffer);
        assert_eq!(room.taken_bytes(), 0);
    }

    #[test]
    fn what_is_spilled_comes_back_in_order_and_takes_no_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut spill = Spill::new(dir.path().to_owned());
        let room = Room::new(usize::MAX);
        let mut buffers = Buffers::new(room.clone(), 1);
        let text = "x".repeat(PART_BYTES / 3);
        let error = || BufferKey::Error(ErrorType::MetadataExtraction, "why".to_owned());
        for offset in 0..10 {
            buffers.push(key("a"), 1, record(offset, &text), 0);
            buffers.push(error(), 1, record(offset, "bad"), 0);
            if offset % 4 == 3 {
                buffers.spill(&mut spill).expect("spills");
                assert!(room.taken_bytes() < 1_000, "{}", room.taken_bytes());
            }
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("reads").count(),
            0,
            "no names are left"
        );
        let all = |buffer: &Buffer| {
            let mut found = Vec::new();
            for part in buffer.parts() {
                let part = part.expect("loads");
                found.extend(
                    part.records()
                        .map(|held| (held.offset, held.data.len(), held.reason.map(str::to_owned))),
                );
            }
            found
        };
        let buffer = buffers.take(&key("a")).expect("is there");
        let expect: Vec<_> = (0..10).map(|offset| (offset, text.len(), None)).collect();
        assert_eq!(all(&buffer), expect);
        assert_eq!(buffer.bytes(), 10 * (text.len() + 1));
        let errors = buffers.take(&BufferKey::Error(ErrorType::MetadataExtraction, String::new()));
        let expect: Vec<_> = (0..10).map(|offset| (offset, 3, Some("why".to_owned()))).collect();
        assert_eq!(all(&errors.expect("is there")), expect);
    }
}
