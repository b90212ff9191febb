//! Record batches: Kafka's RecordBatch v2, so that a Kafka front can serve the same bytes.
//!
//! The layout is <https://kafka.apache.org/documentation/#recordbatch>; all its numbers are big-endian. A batch
//! is built inside its frame: room for the frame's header stands in front, and the log fills in offset and place
//! when it writes. The batch's checksum does not cover its base offset, so it is computed before the offset is
//! known, on the caller's thread.

use base::Millis;
use bytes::Bytes;

use crate::LogError;
use crate::encryption::{self, DataKey, KeyStore, Sealed};
use crate::frame::{self, HEADER_BYTES};
use crate::partition::Partition;

/// The bytes of a batch in front of its records.
const BATCH_HEADER_BYTES: usize = 61;
/// The first bytes of a batch, which its own checksum does not cover (it is the last four of them).
pub(crate) const UNCHECKED_BYTES: usize = 21;
const RECORDS_AT: usize = HEADER_BYTES + BATCH_HEADER_BYTES;
const BATCH_MAGIC: u8 = 2;
/// The header that keeps an explicit hash key (decimal digits) with its record.
const EXPLICIT_HASH_KEY: &[u8] = b"catchment.explicit-hash-key";

/// Records for one partition, to be appended together.
#[derive(Debug)]
pub struct Batch {
    pub(crate) partition: Partition,
    pub(crate) frame: Vec<u8>,
    records: u32,
    created_ms: Millis,
    encryption: Option<(DataKey, [u8; 8])>,
    producer: Option<ProducerId>,
}

/// Who wrote a batch, where that is to be found again: the format's producer id, which is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerId(i64);

impl ProducerId {
    /// Of an id that is hardly anybody else's, such as that of a transaction: 63 of its bits.
    pub fn of(id: u128) -> Self {
        Self((id as u64 >> 1) as i64)
    }
}

impl Batch {
    /// `capacity_bytes` is a guess at the size of all records; the batch grows when it was too small.
    pub fn new(partition: &Partition, created_ms: Millis, capacity_bytes: usize) -> Self {
        let mut frame = Vec::with_capacity(RECORDS_AT + capacity_bytes + 8);
        frame.resize(RECORDS_AT, 0);
        Self {
            partition: partition.clone(),
            frame,
            records: 0,
            created_ms,
            encryption: None,
            producer: None,
        }
    }

    /// Says who writes the batch. Its records are found by that: [`crate::Log::read_of`].
    pub fn set_producer(&mut self, producer: ProducerId) {
        self.producer = Some(producer);
    }

    /// Encrypts the values of all records, of which there are none yet. Fails with [`LogError::Key`] where the key may
    /// not be used.
    pub fn encrypt(&mut self, keys: &KeyStore, key: DataKey) -> Result<(), LogError> {
        key.check_usable().map_err(LogError::Key)?;
        let prefix = keys.nonce_prefix().map_err(|error| LogError::Io(error.to_string()))?;
        self.encryption = Some((key, prefix));
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.records as usize
    }

    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// What the batch takes in the log, in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    pub fn push(&mut self, key: &[u8], explicit_hash_key: Option<&[u8]>, data: &[u8]) {
        let filled = self.push_with(key, explicit_hash_key, data.len(), |room| {
            room.copy_from_slice(data);
            Ok::<_, std::convert::Infallible>(())
        });
        match filled {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// Adds a record whose data, of `data_bytes`, `fill` writes straight into the batch. When `fill` fails the
    /// batch is as it was before.
    pub fn push_with<E>(
        &mut self,
        key: &[u8],
        explicit_hash_key: Option<&[u8]>,
        data_bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let offset_delta = i64::from(self.records);
        let mut header_bytes = explicit_hash_key.map_or(0, |value| header_bytes(EXPLICIT_HASH_KEY, value.len()));
        let mut value_bytes = data_bytes;
        if self.encryption.is_some() {
            header_bytes += self::header_bytes(encryption::HEADER, encryption::HEADER_VALUE_BYTES);
            value_bytes += encryption::TAG_BYTES;
        }
        // Attributes, the timestamp's delta and the number of headers take one byte each.
        let record_bytes = 3
            + varint_bytes(offset_delta)
            + varint_bytes(key.len() as i64)
            + key.len()
            + varint_bytes(value_bytes as i64)
            + value_bytes
            + header_bytes;
        let before = self.frame.len();
        let frame = &mut self.frame;
        put_varint(frame, record_bytes as i64);
        frame.extend([0, 0]);
        put_varint(frame, offset_delta);
        put_varint(frame, key.len() as i64);
        frame.extend_from_slice(key);
        put_varint(frame, value_bytes as i64);
        let data_at = frame.len();
        frame.resize(data_at + data_bytes, 0);
        if let Err(error) = fill(&mut frame[data_at..]) {
            frame.truncate(before);
            return Err(error);
        }
        let mut sealed_header = None;
        if let Some((data_key, prefix)) = &self.encryption {
            let (tag, header) = data_key.seal(*prefix, self.records, key, &mut frame[data_at..]);
            frame.extend_from_slice(&tag);
            sealed_header = Some(header);
        }
        put_varint(
            frame,
            i64::from(explicit_hash_key.is_some()) + i64::from(sealed_header.is_some()),
        );
        if let Some(value) = explicit_hash_key {
            put_header(frame, EXPLICIT_HASH_KEY, value);
        }
        if let Some(value) = sealed_header {
            put_header(frame, encryption::HEADER, &value);
        }
        self.records += 1;
        Ok(())
    }

    /// Writes the batch's header and checksum; only the base offset is still open. Adds the frame's padding.
    pub(crate) fn seal(&mut self) {
        let batch = &mut self.frame[HEADER_BYTES..];
        let length = (batch.len() - 12) as u32;
        let last_offset_delta = self.records.saturating_sub(1);
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = BATCH_MAGIC;
        // Attributes stay zero: no compression, the producer's time, neither transactional nor control.
        batch[23..27].copy_from_slice(&last_offset_delta.to_be_bytes());
        batch[27..35].copy_from_slice(&self.created_ms.to_be_bytes());
        batch[35..43].copy_from_slice(&self.created_ms.to_be_bytes());
        // Without a producer, id, epoch and sequence are -1.
        match self.producer {
            None => batch[43..57].fill(0xFF),
            Some(ProducerId(id)) => {
                batch[43..51].copy_from_slice(&id.to_be_bytes());
                batch[51..57].fill(0);
            }
        }
        batch[57..61].copy_from_slice(&self.records.to_be_bytes());
        let crc = crc32c::crc32c(&batch[UNCHECKED_BYTES..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        self.frame.resize(frame::frame_bytes(self.payload_bytes()), 0);
    }

    /// The size of the batch itself, known also after sealing has added padding.
    pub(crate) fn payload_bytes(&self) -> usize {
        let length = &self.frame[HEADER_BYTES + 8..HEADER_BYTES + 12];
        u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize + 12
    }

    pub(crate) fn set_base_offset(&mut self, offset: u64) {
        self.frame[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&offset.to_be_bytes());
    }
}

/// One record as read. `key` and `data` are slices of the buffer that was read, which lives as long as they do:
/// copy them to keep a few for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub offset: u64,
    /// When the log took it; never decreases within a partition.
    pub arrival_ms: Millis,
    pub key: Bytes,
    pub explicit_hash_key: Option<Bytes>,
    pub data: Bytes,
    /// Whether the data is encrypted on the disk.
    pub is_encrypted: bool,
}

/// Why a batch's records cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It has a form that this reader does not know, such as compression.
    Form,
    /// A value was encrypted and cannot be decrypted.
    Sealed(Sealed),
}

/// Whether the batch's own checksum holds.
pub(crate) fn is_sound(batch: &[u8]) -> bool {
    batch.len() >= BATCH_HEADER_BYTES
        && batch[16] == BATCH_MAGIC
        && be_u32(batch, 8) as usize + 12 == batch.len()
        && crc32c::crc32c(&batch[UNCHECKED_BYTES..]) == be_u32(batch, 17)
}

/// Whether a sound batch was written by this producer.
pub(crate) fn is_of(batch: &[u8], producer: ProducerId) -> bool {
    batch[43..51] == producer.0.to_be_bytes()
}

/// Calls `each` with the records of a sound batch in order until it returns false.
pub(crate) fn visit(
    batch: &Bytes,
    base_offset: u64,
    arrival_ms: Millis,
    keys: Option<&KeyStore>,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<(), Unreadable> {
    let mut refused = Sealed::Undecryptable;
    match visit_plain(batch, base_offset, arrival_ms, &mut |record, header| {
        let Some(header) = header else {
            return Some(each(record));
        };
        let opened = keys?.open_value(&header, &record.key, &record.data);
        let data = opened.map_err(|why| refused = why).ok()?;
        Some(each(Record {
            data,
            is_encrypted: true,
            ..record
        }))
    }) {
        Some(Some(())) => Ok(()),
        Some(None) => Err(Unreadable::Sealed(refused)),
        None => Err(Unreadable::Form),
    }
}

/// Calls `each` with the records as they stand and the headers of those that are encrypted. `Some(None)` where it
/// gives `None`.
fn visit_plain(
    batch: &Bytes,
    base_offset: u64,
    arrival_ms: Millis,
    each: &mut dyn FnMut(Record, Option<Bytes>) -> Option<bool>,
) -> Option<Option<()>> {
    let attributes = u16::from_be_bytes([batch[21], batch[22]]);
    if attributes & 0b111 != 0 {
        return None;
    }
    if attributes & 0b10_0000 != 0 {
        // Control batches carry nothing for readers.
        return Some(Some(()));
    }
    let count = be_u32(batch, 57);
    let mut cursor = Cursor {
        bytes: batch,
        at: BATCH_HEADER_BYTES,
    };
    for _ in 0..count {
        let length = usize::try_from(cursor.varint()?).ok()?;
        let end = cursor.at.checked_add(length)?;
        cursor.at += 1;
        cursor.varint()?;
        let offset_delta = u64::try_from(cursor.varint()?).ok()?;
        let key = cursor.take()?.unwrap_or_default();
        let data = cursor.take()?.unwrap_or_default();
        let (mut explicit_hash_key, mut sealed) = (None, None);
        for _ in 0..cursor.varint()? {
            let name = cursor.take()?;
            let value = cursor.take()?;
            match name.as_deref() {
                Some(EXPLICIT_HASH_KEY) => explicit_hash_key = value,
                Some(encryption::HEADER) => sealed = value,
                _ => {}
            }
        }
        if cursor.at != end {
            return None;
        }
        let record = Record {
            offset: base_offset + offset_delta,
            arrival_ms,
            key,
            explicit_hash_key,
            data,
            is_encrypted: false,
        };
        match each(record, sealed) {
            Some(true) => {}
            Some(false) => break,
            None => return Some(None),
        }
    }
    Some(Some(()))
}

fn header_bytes(name: &[u8], value_bytes: usize) -> usize {
    varint_bytes(name.len() as i64) + name.len() + varint_bytes(value_bytes as i64) + value_bytes
}

fn put_header(frame: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_varint(frame, name.len() as i64);
    frame.extend_from_slice(name);
    put_varint(frame, value.len() as i64);
    frame.extend_from_slice(value);
}

struct Cursor<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    /// A zigzag varint, as Protocol Buffers write `sint64`.
    fn varint(&mut self) -> Option<i64> {
        let mut raw = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            raw |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        None
    }

    /// Bytes with their length in front; -1 stands for null.
    fn take(&mut self) -> Option<Option<Bytes>> {
        let length = self.varint()?;
        if length == -1 {
            return Some(None);
        }
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        if end > self.bytes.len() {
            return None;
        }
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(Some(taken))
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn be_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(batch: &Batch) -> Option<Vec<Record>> {
        let payload = Bytes::copy_from_slice(&batch.frame[HEADER_BYTES..HEADER_BYTES + batch.payload_bytes()]);
        assert!(is_sound(&payload));
        let mut found = Vec::new();
        visit(&payload, 100, 5, None, &mut |record| {
            found.push(record);
            true
        })
        .ok()?;
        Some(found)
    }

    proptest! {
        #[test]
        fn records_survive_a_round_trip(
            input in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..300), proptest::option::of("[0-9]{1,39}"), proptest::collection::vec(any::<u8>(), 0..300)),
                1..80,
            ),
        ) {
            let mut batch = Batch::new(&Partition::new(1), 5, 0);
            for (key, hash, data) in &input {
                batch.push(key, hash.as_ref().map(String::as_bytes), data);
                let failed = batch.push_with(b"k", None, 10, |_| Err("on purpose"));
                prop_assert_eq!(failed, Err("on purpose"));
            }
            batch.seal();
            let found = records(&batch).expect("readable");
            prop_assert_eq!(found.len(), input.len());
            for (index, (record, (key, hash, data))) in found.iter().zip(&input).enumerate() {
                prop_assert_eq!(record.offset, 100 + index as u64);
                prop_assert_eq!(&record.key[..], &key[..]);
                prop_assert_eq!(record.explicit_hash_key.as_deref(), hash.as_ref().map(|h| h.as_bytes()));
                prop_assert_eq!(&record.data[..], &data[..]);
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_a_kafka_batch() {
        let mut batch = Batch::new(&Partition::new(1), 0x0102_0304_0506_0708, 0);
        batch.push(b"k", None, b"data");
        batch.seal();
        batch.set_base_offset(9);
        let payload = &batch.frame[HEADER_BYTES..HEADER_BYTES + batch.payload_bytes()];
        assert_eq!(&payload[0..8], &[0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(&payload[8..12], &(payload.len() as u32 - 12).to_be_bytes());
        assert_eq!(payload[16], 2);
        assert_eq!(&payload[21..27], &[0; 6]);
        assert_eq!(&payload[27..35], &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&payload[57..61], &[0, 0, 0, 1]);
        // Length 11 and so on, each as a zigzag varint.
        assert_eq!(&payload[61..], &[22, 0, 0, 0, 2, b'k', 8, b'd', b'a', b't', b'a', 0]);
    }
}
