//! Event-stream frames (`application/vnd.amazon.eventstream`), as Smithy's specification gives them.
//!
//! Frame: total length u32, headers length u32, CRC-32 of the two, headers, payload, CRC-32 of all before; all
//! big-endian. Header: name length u8, name, type u8, value.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const PRELUDE_BYTES: usize = 12;
const TRAILER_BYTES: usize = 4;
/// The specification's bound on a whole frame.
const FRAME_BYTES_MAX: usize = 24 << 20;

/// One message of an event stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    pub headers: Vec<(String, HeaderValue)>,
    pub payload: Bytes,
}

#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(Bytes),
    String(String),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    Uuid([u8; 16]),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventStreamError {
    #[error("an event-stream frame fails its checksum")]
    Checksum,
    #[error("an event-stream frame is malformed: {0}")]
    Malformed(&'static str),
}

impl Frame {
    /// `:message-type: event` of the given type with a JSON payload.
    pub fn event(kind: &str, content_type: &str, payload: impl Into<Bytes>) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
        let headers = vec![
            text(":message-type", "event"),
            text(":event-type", kind),
            text(":content-type", content_type),
        ];
        Self {
            headers,
            payload: payload.into(),
        }
    }

    pub fn encode(&self, out: &mut BytesMut) {
        let mut headers = BytesMut::new();
        for (name, value) in &self.headers {
            headers.put_u8(name.len().min(255) as u8);
            headers.put_slice(&name.as_bytes()[..name.len().min(255)]);
            value.encode(&mut headers);
        }
        let start = out.len();
        let total = PRELUDE_BYTES + headers.len() + self.payload.len() + TRAILER_BYTES;
        out.reserve(total);
        out.put_u32(total as u32);
        out.put_u32(headers.len() as u32);
        out.put_u32(crc32(&out[start..]));
        out.put_slice(&headers);
        out.put_slice(&self.payload);
        out.put_u32(crc32(&out[start..]));
    }

    /// Takes one frame off the front of `buffer`; `None` asks for more bytes.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, EventStreamError> {
        if buffer.len() < PRELUDE_BYTES {
            return Ok(None);
        }
        let word = |at: usize| u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
        let (total, headers_length) = (word(0) as usize, word(4) as usize);
        if word(8) != crc32(&buffer[..8]) {
            return Err(EventStreamError::Checksum);
        }
        if total > FRAME_BYTES_MAX || total < PRELUDE_BYTES + headers_length + TRAILER_BYTES {
            return Err(EventStreamError::Malformed("its lengths"));
        }
        if buffer.len() < total {
            return Ok(None);
        }
        if word(total - TRAILER_BYTES) != crc32(&buffer[..total - TRAILER_BYTES]) {
            return Err(EventStreamError::Checksum);
        }
        let mut frame = buffer.split_to(total).freeze();
        frame.advance(PRELUDE_BYTES);
        let mut headers = frame.split_to(headers_length);
        let payload = frame.slice(..frame.len() - TRAILER_BYTES);
        let mut decoded = Vec::new();
        while headers.has_remaining() {
            decoded.push(decode_header(&mut headers).ok_or(EventStreamError::Malformed("a header"))?);
        }
        Ok(Some(Self {
            headers: decoded,
            payload,
        }))
    }
}

impl HeaderValue {
    fn encode(&self, out: &mut BytesMut) {
        let sized = |out: &mut BytesMut, kind: u8, bytes: &[u8]| {
            out.put_u8(kind);
            out.put_u16(bytes.len().min(usize::from(u16::MAX)) as u16);
            out.put_slice(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
        };
        match self {
            Self::Bool(true) => out.put_u8(0),
            Self::Bool(false) => out.put_u8(1),
            Self::Byte(value) => {
                out.put_u8(2);
                out.put_i8(*value);
            }
            Self::Short(value) => {
                out.put_u8(3);
                out.put_i16(*value);
            }
            Self::Int(value) => {
                out.put_u8(4);
                out.put_i32(*value);
            }
            Self::Long(value) => {
                out.put_u8(5);
                out.put_i64(*value);
            }
            Self::Bytes(bytes) => sized(out, 6, bytes),
            Self::String(text) => sized(out, 7, text.as_bytes()),
            Self::Timestamp(ms) => {
                out.put_u8(8);
                out.put_i64(*ms);
            }
            Self::Uuid(bytes) => {
                out.put_u8(9);
                out.put_slice(bytes);
            }
        }
    }
}

fn decode_header(from: &mut Bytes) -> Option<(String, HeaderValue)> {
    let length = usize::from(from.try_get_u8().ok()?);
    let name = String::from_utf8(take(from, length)?.to_vec()).ok()?;
    let value = match from.try_get_u8().ok()? {
        0 => HeaderValue::Bool(true),
        1 => HeaderValue::Bool(false),
        2 => HeaderValue::Byte(from.try_get_i8().ok()?),
        3 => HeaderValue::Short(from.try_get_i16().ok()?),
        4 => HeaderValue::Int(from.try_get_i32().ok()?),
        5 => HeaderValue::Long(from.try_get_i64().ok()?),
        6 => {
            let length = usize::from(from.try_get_u16().ok()?);
            HeaderValue::Bytes(take(from, length)?)
        }
        7 => {
            let length = usize::from(from.try_get_u16().ok()?);
            HeaderValue::String(String::from_utf8(take(from, length)?.to_vec()).ok()?)
        }
        8 => HeaderValue::Timestamp(from.try_get_i64().ok()?),
        9 => HeaderValue::Uuid(take(from, 16)?.as_ref().try_into().ok()?),
        _ => return None,
    };
    Some((name, value))
}

fn take(from: &mut Bytes, length: usize) -> Option<Bytes> {
    (from.len() >= length).then(|| from.split_to(length))
}

fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty message of the specification's test vectors.
    #[test]
    fn the_specifications_empty_message() {
        let mut out = BytesMut::new();
        Frame::default().encode(&mut out);
        assert_eq!(hex::encode(&out), "000000100000000005c248eb7d98c8ff");
    }

    #[test]
    fn frames_round_trip_in_pieces_and_damage_is_seen() {
        let frame = Frame {
            headers: vec![
                ("a".into(), HeaderValue::Bool(true)),
                ("b".into(), HeaderValue::Int(-40_972)),
                ("c".into(), HeaderValue::String("application/json".into())),
                ("d".into(), HeaderValue::Timestamp(8_675_309)),
                ("e".into(), HeaderValue::Uuid([7; 16])),
                ("f".into(), HeaderValue::Bytes(Bytes::from_static(b"\0\x01"))),
            ],
            payload: Bytes::from_static(b"{'foo':'bar'}"),
        };
        let mut wire = BytesMut::new();
        frame.encode(&mut wire);
        let whole = wire.clone();
        let mut buffer = BytesMut::new();
        for (index, byte) in whole.iter().enumerate() {
            buffer.put_u8(*byte);
            let decoded = Frame::decode(&mut buffer).expect("sound");
            assert_eq!(decoded.is_some(), index + 1 == whole.len());
            if let Some(decoded) = decoded {
                assert_eq!(decoded, frame);
            }
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            let outcome = Frame::decode(&mut damaged);
            assert!(!matches!(outcome, Ok(Some(_))), "byte {at}");
        }
    }
}
