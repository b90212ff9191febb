//! What is written of a record that could not be delivered: one JSON document a line, under the error prefix.

use base::Millis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Why records are under the error prefix; what `!{firehose:error-output-type}` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ErrorType {
    FormatConversionFailed,
    MetadataExtractionFailed,
}

impl ErrorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FormatConversionFailed => "format-conversion-failed",
            Self::MetadataExtractionFailed => "metadata-extraction-failed",
        }
    }
}

/// The service's document of a failed record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDocument<'a> {
    attempts_made: u32,
    arrival_timestamp: Millis,
    error_code: &'a str,
    error_message: &'a str,
    attempt_ending_timestamp: Millis,
    raw_data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_catalog_table: Option<&'a CatalogTable>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogTable {
    pub catalog_id: String,
    pub database_name: String,
    pub table_name: String,
    pub region: String,
    pub version_id: String,
}

/// A record that failed and why.
pub(crate) struct Failed<'a> {
    pub arrival_ms: Millis,
    pub data: &'a [u8],
    pub code: &'a str,
    pub message: &'a str,
    /// Its offset in the log, of a record that could not be converted.
    pub offset: Option<u64>,
    pub table: Option<&'a CatalogTable>,
}

/// Appends the record's document and a line end.
pub(crate) fn write(failed: &Failed<'_>, now_ms: Millis, out: &mut Vec<u8>) {
    let document = ErrorDocument {
        attempts_made: 1,
        arrival_timestamp: failed.arrival_ms,
        error_code: failed.code,
        error_message: failed.message,
        attempt_ending_timestamp: now_ms,
        raw_data: STANDARD.encode(failed.data),
        sequence_number: failed.offset.map(|offset| offset.to_string()),
        data_catalog_table: failed.table,
    };
    // Writing to memory does not fail.
    drop(serde_json::to_writer(&mut *out, &document));
    out.push(b'\n');
}
