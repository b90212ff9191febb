//! What is written of a record that could not be delivered: one JSON document a line, under the error prefix.

use base::Millis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Why records are under the error prefix; what `!{firehose:error-output-type}` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ErrorType {
    FormatConversion,
    MetadataExtraction,
    Decompression,
    HttpEndpoint,
    KinesisStream,
}

impl ErrorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FormatConversion => "format-conversion-failed",
            Self::MetadataExtraction => "metadata-extraction-failed",
            Self::Decompression => "decompression-failed",
            Self::HttpEndpoint => "http-endpoint-failed",
            Self::KinesisStream => "kinesis-stream-failed",
        }
    }
}

/// The service's document of a failed record. Sources: the developer guide, "Handle failure in data
/// transformation" and "Handling errors for data format conversion", whose documents name the error differently.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDocument<'a> {
    attempts_made: u32,
    arrival_timestamp: Millis,
    #[serde(flatten)]
    error: ErrorMembers<'a>,
    attempt_ending_timestamp: Millis,
    raw_data: String,
    #[serde(flatten)]
    conversion: Option<ConversionMembers<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ErrorMembers<'a> {
    Conversion {
        last_error_code: &'a str,
        last_error_message: &'a str,
    },
    Other {
        error_code: &'a str,
        error_message: &'a str,
    },
}

/// What stands in the documents of records that could not be converted only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversionMembers<'a> {
    sequence_number: String,
    /// The place in an aggregated record.
    sub_sequence_number: u32,
    data_catalog_table: &'a CatalogTable,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogTable {
    pub catalog_id: String,
    pub database_name: String,
    pub table_name: String,
    pub region: String,
    pub version_id: String,
    pub catalog_arn: String,
}

/// A record that failed and why.
pub(crate) struct Failed<'a> {
    pub attempts: u32,
    pub arrival_ms: Millis,
    pub data: &'a [u8],
    pub code: &'a str,
    pub message: &'a str,
    /// Of a record that could not be converted: its offset in the log, which piece of that record it is, and the table.
    pub conversion: Option<(u64, u32, &'a CatalogTable)>,
}

/// Appends the record's document and a line end.
pub(crate) fn write(failed: &Failed<'_>, now_ms: Millis, out: &mut Vec<u8>) {
    let error = match failed.conversion {
        Some(_) => ErrorMembers::Conversion {
            last_error_code: failed.code,
            last_error_message: failed.message,
        },
        None => ErrorMembers::Other {
            error_code: failed.code,
            error_message: failed.message,
        },
    };
    let document = ErrorDocument {
        attempts_made: failed.attempts,
        arrival_timestamp: failed.arrival_ms,
        error,
        attempt_ending_timestamp: now_ms,
        raw_data: STANDARD.encode(failed.data),
        conversion: failed.conversion.map(|(offset, piece, table)| ConversionMembers {
            sequence_number: offset.to_string(),
            sub_sequence_number: piece,
            data_catalog_table: table,
        }),
    };
    // Writing to memory does not fail.
    drop(serde_json::to_writer(&mut *out, &document));
    out.push(b'\n');
}
