//! What is done to a record before it is sorted into a buffer: it is unpacked and taken apart.

use bytes::Bytes;
use engine_formats::{Compression, log_messages};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error_document::ErrorType;

/// What one record may unpack to.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// The steps, in the order of the members. Before them, records of the Kinesis Producer Library are taken apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processing {
    /// Uncompresses gzip, as CloudWatch Logs sends it.
    pub decompress: bool,
    /// Takes the messages out of the documents of CloudWatch Logs.
    pub extract_messages: bool,
    /// Takes apart what a producer put into one record.
    pub split: Option<Split>,
}

/// How records within a record are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Split {
    /// JSON values one behind the other, with or without white space between them.
    Json,
    /// Something that stands between records, and may stand behind the last.
    Delimiter(Vec<u8>),
}

/// A part of a record that is delivered by itself, or a record that cannot be processed, whole, with the reason.
pub(crate) type Piece = Result<Bytes, (Bytes, ErrorType, String)>;

impl Processing {
    /// The pieces of a record, in order.
    pub(crate) fn pieces(&self, record: Bytes, out: &mut Vec<Piece>) {
        if !self.decompress {
            return self.split(record, out);
        }
        let failed = |error: engine_formats::FormatError| {
            let kind = ErrorType::Decompression;
            Err((record.clone(), kind, error.to_string()))
        };
        let unpacked = match Compression::Gzip.decompress(&record, UNPACKED_BYTES_MAX) {
            Ok(unpacked) => unpacked,
            Err(error) => return out.push(failed(error)),
        };
        if !self.extract_messages {
            return self.split(unpacked.into(), out);
        }
        match log_messages(&unpacked) {
            Ok(messages) => messages.into_iter().for_each(|message| self.split(message.into(), out)),
            Err(error) => out.push(failed(error)),
        }
    }

    fn split(&self, record: Bytes, out: &mut Vec<Piece>) {
        match &self.split {
            None => out.push(Ok(record)),
            Some(Split::Json) => split_json(&record, out),
            Some(Split::Delimiter(delimiter)) => split_at(&record, delimiter, out),
        }
    }
}

/// What is no JSON is one piece with all that follows it.
fn split_json(record: &Bytes, out: &mut Vec<Piece>) {
    let before = out.len();
    let mut values = serde_json::Deserializer::from_slice(record).into_iter::<IgnoredAny>();
    let mut from = 0;
    while let Some(Ok(IgnoredAny)) = values.next() {
        let to = values.byte_offset();
        out.push(Ok(trimmed(record, from, to)));
        from = to;
    }
    let rest = trimmed(record, from, record.len());
    if !rest.is_empty() || out.len() == before {
        out.push(Ok(rest));
    }
}

/// A part without the white space around it.
fn trimmed(record: &Bytes, from: usize, to: usize) -> Bytes {
    record.slice_ref(record[from..to].trim_ascii())
}

fn split_at(record: &Bytes, delimiter: &[u8], out: &mut Vec<Piece>) {
    let mut rest = &record[..];
    while let Some(at) = find(rest, delimiter) {
        out.push(Ok(record.slice_ref(&rest[..at])));
        rest = &rest[at + delimiter.len()..];
        if rest.is_empty() {
            return;
        }
    }
    out.push(Ok(record.slice_ref(rest)));
}

fn find(text: &[u8], delimiter: &[u8]) -> Option<usize> {
    if delimiter.is_empty() {
        return None;
    }
    text.windows(delimiter.len()).position(|window| window == delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(split: Split, record: &str) -> Vec<String> {
        let processing = Processing {
            split: Some(split),
            ..Processing::default()
        };
        let mut out = Vec::new();
        processing.pieces(Bytes::copy_from_slice(record.as_bytes()), &mut out);
        let text = |piece: Piece| String::from_utf8(piece.expect("a piece").to_vec()).expect("text");
        out.into_iter().map(text).collect()
    }

    #[test]
    fn json_is_taken_apart_where_a_value_ends() {
        for (record, pieces) in [
            (r#"{"a":1}{"a":2}"#, &[r#"{"a":1}"#, r#"{"a":2}"#][..]),
            ("{\"a\":\"}{\"}\n\n {\"a\": 2}\n", &[r#"{"a":"}{"}"#, r#"{"a": 2}"#]),
            (r#"[{"a":1}]"#, &[r#"[{"a":1}]"#]),
            (r#"{"a":1} nonsense {"a":2}"#, &[r#"{"a":1}"#, r#"nonsense {"a":2}"#]),
            (r#"{"a":"#, &[r#"{"a":"#]),
            ("", &[""]),
            ("  ", &[""]),
        ] {
            assert_eq!(split(Split::Json, record), pieces, "{record}");
        }
    }

    #[test]
    fn delimiters_stand_between_pieces_and_may_end_the_last() {
        let delimiter = || Split::Delimiter(b"####".to_vec());
        assert_eq!(split(delimiter(), "a####b########c"), ["a", "b", "", "c"]);
        assert_eq!(split(delimiter(), "a####b####"), ["a", "b"]);
        assert_eq!(split(delimiter(), "a###"), ["a###"]);
        assert_eq!(split(delimiter(), ""), [""]);
        assert_eq!(split(delimiter(), "####"), [""]);
    }

    #[test]
    fn what_cannot_be_unpacked_stays_whole() {
        let processing = Processing {
            decompress: true,
            extract_messages: true,
            split: None,
        };
        let mut out = Vec::new();
        processing.pieces(Bytes::from_static(b"plain"), &mut out);
        let Some(Err((data, kind, why))) = out.pop() else {
            panic!("it is gzip");
        };
        assert_eq!((&data[..], kind), (&b"plain"[..], ErrorType::Decompression));
        assert!(why.contains("not gzip"), "{why}");
    }
}
