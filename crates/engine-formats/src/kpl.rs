//! Records that the Kinesis Producer Library put together into one.
//!
//! The layout is the library's aggregation format: four magic bytes, a protocol buffers message `AggregatedRecord`
//! (1: partition keys, 2: explicit hash keys, 3: records, each 1: index of its partition key, 2: index of its explicit
//! hash key, 3: data, 4: tags), and the MD5 of the message.

use std::ops::Range;

use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;

/// Field numbers.
const PARTITION_KEY: u64 = 1;
const RECORD: u64 = 3;
const KEY_INDEX: u64 = 1;
const DATA: u64 = 3;

/// Where a record's parts are within its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    pub partition_key: Range<usize>,
    pub data: Range<usize>,
}

/// The records of an aggregate, in order; `None` for anything that is none.
#[must_use]
pub fn deaggregate(record: &[u8]) -> Option<Vec<UserRecord>> {
    let message = record.strip_prefix(&MAGIC)?;
    let (message, md5) = message.split_at_checked(message.len().checked_sub(MD5_BYTES)?)?;
    if Md5::digest(message).as_slice() != md5 {
        return None;
    }
    let (mut keys, mut found) = (Vec::new(), Vec::new());
    let mut fields = Fields {
        rest: message,
        at: MAGIC.len(),
    };
    while !fields.rest.is_empty() {
        match fields.next()? {
            (PARTITION_KEY, Field::Bytes(place)) => keys.push(place),
            (RECORD, Field::Bytes(place)) => found.push(user_record(record, place, &keys)?),
            _ => {}
        }
    }
    (!found.is_empty()).then_some(found)
}

/// A record that names a partition key which is not there is none.
fn user_record(record: &[u8], place: Range<usize>, keys: &[Range<usize>]) -> Option<UserRecord> {
    let mut fields = Fields {
        rest: record.get(place.clone())?,
        at: place.start,
    };
    let (mut key, mut data) = (None, None);
    while !fields.rest.is_empty() {
        match fields.next()? {
            (KEY_INDEX, Field::Number(index)) => key = Some(index),
            (DATA, Field::Bytes(place)) => data = Some(place),
            _ => {}
        }
    }
    let partition_key = keys.get(usize::try_from(key?).ok()?)?.clone();
    data.map(|data| UserRecord { partition_key, data })
}

enum Field {
    Number(u64),
    /// Where they are in the whole.
    Bytes(Range<usize>),
    Fixed,
}

/// The fields of a message.
struct Fields<'m> {
    rest: &'m [u8],
    at: usize,
}

impl Fields<'_> {
    fn next(&mut self) -> Option<(u64, Field)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.skip(8).map(|_| Field::Fixed)?,
            2 => {
                let length = self.varint()?.try_into().ok()?;
                Field::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.rest.first()?;
            self.skip(1)?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, bytes: usize) -> Option<Range<usize>> {
        self.rest = self.rest.get(bytes..)?;
        let place = self.at..self.at + bytes;
        self.at = place.end;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts records together as the library does, each under one of two partition keys.
    fn aggregate(records: &[&[u8]]) -> Vec<u8> {
        let field = |number: u8, bytes: &[u8]| {
            let mut out = vec![number << 3 | 2];
            let mut length = bytes.len();
            while length >= 0x80 {
                out.push(length as u8 | 0x80);
                length >>= 7;
            }
            out.push(length as u8);
            out.extend_from_slice(bytes);
            out
        };
        let mut message = [field(1, b"a"), field(1, b"b"), field(2, b"7")].concat();
        for (index, record) in records.iter().enumerate() {
            let parts = [vec![1 << 3, index as u8 % 2], vec![2 << 3, 0], field(3, record)];
            message.extend(field(3, &parts.concat()));
        }
        let md5 = Md5::digest(&message);
        [&MAGIC[..], &message, &md5[..]].concat()
    }

    #[test]
    fn an_aggregate_falls_into_its_records() {
        let large = vec![7; 100_000];
        let records: [&[u8]; 4] = [b"one", b"", &large, b"\xF3\x89\x9A\xC2"];
        let whole = aggregate(&records);
        let found = deaggregate(&whole).expect("an aggregate");
        let keys = found.iter().map(|record| &whole[record.partition_key.clone()]);
        assert_eq!(keys.collect::<Vec<_>>(), [b"a", b"b", b"a", b"b"]);
        let found: Vec<&[u8]> = found.into_iter().map(|record| &whole[record.data]).collect();
        assert_eq!(found, records);
    }

    #[test]
    fn what_is_damaged_or_something_else_is_no_aggregate() {
        let whole = aggregate(&[b"one", b"two"]);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(deaggregate(&damaged), None, "{at}");
            assert_eq!(deaggregate(&whole[..at]), None, "{at}");
        }
        assert_eq!(deaggregate(b"{\"a\": 1}"), None);
        let empty = [&MAGIC[..], &Md5::digest(b"")[..]].concat();
        assert_eq!(deaggregate(&empty), None);
    }

    #[test]
    fn a_message_with_a_right_checksum_may_be_anything() {
        for message in [
            &[0x1A_u8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F][..],
            &[0x1A, 4, 8, 5, 0x1A, 0],
            &[0xFF; 12],
            &[0x0B],
        ] {
            let whole = [&MAGIC[..], message, &Md5::digest(message)[..]].concat();
            assert_eq!(deaggregate(&whole), None, "{message:?}");
        }
    }
}
