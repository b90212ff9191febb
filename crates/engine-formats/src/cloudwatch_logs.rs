//! What CloudWatch Logs sends to its subscribers: a JSON document with log events, compressed by gzip.
//!
//! The shape is the one of the CloudWatch Logs user guide, "Log group-level subscription filters".

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::FormatError;

/// Uncompresses gzip, up to `bytes_max`.
pub fn gunzip(data: &[u8], bytes_max: usize) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(data)
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut out);
    read.map_err(|error| FormatError::Decode(format!("it is not gzip: {error}")))?;
    if out.len() > bytes_max {
        return Err(FormatError::Decode(format!("it holds more than {bytes_max} bytes")));
    }
    Ok(out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    message_type: String,
    #[serde(default)]
    log_events: Vec<LogEvent>,
}

#[derive(Deserialize)]
struct LogEvent {
    message: String,
}

/// The messages of a document's log events. One that only checks whether its receiver is there has none.
pub fn log_messages(document: &[u8]) -> Result<Vec<String>, FormatError> {
    let document: Document = serde_json::from_slice(document)
        .map_err(|error| FormatError::Decode(format!("it is no document of CloudWatch Logs: {error}")))?;
    match document.message_type.as_str() {
        "DATA_MESSAGE" => Ok(document.log_events.into_iter().map(|event| event.message).collect()),
        "CONTROL_MESSAGE" => Ok(Vec::new()),
        other => Err(FormatError::Decode(format!("messageType is {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("writes");
        encoder.finish().expect("finishes")
    }

    #[test]
    fn members_follow_each_other_and_bombs_are_refused() {
        let both = [gzip("one"), gzip("two")].concat();
        assert_eq!(gunzip(&both, 6).expect("gzip"), b"onetwo");
        let why = |data: &[u8]| gunzip(data, 5).expect_err("refused").to_string();
        assert!(why(&both).contains("more than 5 bytes"));
        assert!(why(b"plain").contains("not gzip"));
        assert!(why(&gzip("four")[..12]).contains("not gzip"));
    }

    #[test]
    fn messages_are_taken_out() {
        let document = br#"{"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": ["f"], "logEvents": [{"id": "1", "timestamp": 5, "message": "a \"b\""},
            {"id": "2", "timestamp": 6, "message": ""}]}"#;
        assert_eq!(log_messages(document).expect("messages"), ["a \"b\"", ""]);
        let control =
            br#"{"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "message": "CWL CONTROL MESSAGE"}]}"#;
        assert_eq!(log_messages(control).expect("none"), Vec::<String>::new());
        for other in [&b"[]"[..], b"{}", br#"{"messageType": "OTHER"}"#, b"text"] {
            assert!(log_messages(other).is_err());
        }
    }
}
