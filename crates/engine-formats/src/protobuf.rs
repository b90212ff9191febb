//! Protocol Buffers' wire format, as much of it as ORC's metadata and SageMaker's records need.
//!
//! Source: protobuf.dev, "Encoding".

/// A message being written: its fields in the order in which they are put.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// An integer, enumeration or boolean.
    pub(crate) fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        put_varint(&mut self.0, value);
    }

    /// A `sint32` or `sint64`.
    pub(crate) fn sint(&mut self, field: u32, value: i64) {
        self.uint(field, zigzag(value));
    }

    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes or text.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, DELIMITED);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn message(&mut self, field: u32, value: &Self) {
        self.bytes(field, &value.0);
    }

    /// A packed list of integers; an empty one is left out.
    pub(crate) fn packed(&mut self, field: u32, values: &[u64]) {
        if !values.is_empty() {
            let mut list = Vec::with_capacity(values.len());
            values.iter().for_each(|value| put_varint(&mut list, *value));
            self.bytes(field, &list);
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        put_varint(&mut self.0, u64::from(field) << 3 | wire_type);
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign as small numbers without one.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// A field's value, by its wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'m> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'m [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message, each with its number. One that is cut off or of another wire type ends them with an error.
pub(crate) struct Fields<'m>(&'m [u8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a protocol buffers message is cut off or damaged")]
pub(crate) struct Malformed;

impl<'m> Fields<'m> {
    pub(crate) fn of(message: &'m [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Option<(u32, Field<'m>)> {
        let tag = take_varint(&mut self.0)?;
        let field = match tag & 7 {
            VARINT => Field::Varint(take_varint(&mut self.0)?),
            FIXED64 => Field::Fixed64(self.chunk()?),
            FIXED32 => Field::Fixed32(self.chunk()?),
            DELIMITED => {
                let length = usize::try_from(take_varint(&mut self.0)?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some((u32::try_from(tag >> 3).ok()?, field))
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Result<(u32, Field<'m>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Takes a varint from the front of the bytes, if a whole one of at most 64 bits stands there.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // Of the tenth byte one bit is left.
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the encoding's own documentation.
    #[test]
    fn examples_of_the_documentation() {
        let mut message = Message::default();
        message.uint(1, 150);
        assert_eq!(message.as_bytes(), [0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.bytes(2, b"testing");
        assert_eq!(message.as_bytes(), b"\x12\x07testing");
        let mut message = Message::default();
        message.packed(6, &[3, 270, 86942]);
        assert_eq!(message.as_bytes(), [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
        for (value, coded) in [
            (0, 0),
            (-1, 1),
            (1, 2),
            (-2, 3),
            (i64::MAX, u64::MAX - 1),
            (i64::MIN, u64::MAX),
        ] {
            assert_eq!(zigzag(value), coded);
        }
    }

    #[test]
    fn fields_come_back_and_damage_ends_them() {
        let mut message = Message::default();
        message.uint(1, u64::MAX);
        message.double(2, 1.5);
        message.bytes(300, b"bytes");
        let fields: Vec<_> = Fields::of(message.as_bytes()).collect();
        let expect = [
            Ok((1, Field::Varint(u64::MAX))),
            Ok((2, Field::Fixed64(1.5_f64.to_le_bytes()))),
            Ok((300, Field::Bytes(b"bytes"))),
        ];
        assert_eq!(fields, expect);
        for (cut, fields) in [(1, 1), (12, 2), (23, 3)] {
            let read: Vec<_> = Fields::of(&message.as_bytes()[..cut]).collect();
            assert_eq!((read.len(), read.last()), (fields, Some(&Err(Malformed))));
        }
        let group = [0x0b];
        assert_eq!(Fields::of(&group).collect::<Vec<_>>(), [Err(Malformed)]);
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
    }
}
