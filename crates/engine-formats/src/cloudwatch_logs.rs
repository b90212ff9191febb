//! What CloudWatch Logs sends to its subscribers: a JSON document with log events, compressed by gzip.
//!
//! The shape is the one of the CloudWatch Logs user guide, "Log group-level subscription filters".

use serde::Deserialize;

use crate::FormatError;

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
    use super::*;

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
