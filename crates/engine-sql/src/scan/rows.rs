//! Lines to record batches.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use engine_formats::{FormatError, JsonDecoder, TextDecoder};

use super::format::RowFormat;
use crate::{ErrorKind, SqlError};

/// Decodes the projected columns of lines.
pub(super) enum RowDecoder {
    Json {
        decoder: JsonDecoder,
        /// A line that is no JSON object is a row of NULLs instead of an error.
        ignore_malformed: bool,
    },
    Fields(TextDecoder),
}

impl RowDecoder {
    /// `schema` holds the columns to decode and `file_schema` all that a row has.
    pub(super) fn new(format: RowFormat, schema: SchemaRef, file_schema: &SchemaRef) -> Result<Self> {
        Ok(match format {
            RowFormat::Json {
                ignore_malformed,
                options,
            } => Self::Json {
                decoder: JsonDecoder::new(schema, options),
                ignore_malformed,
            },
            RowFormat::Fields(format) => {
                let decoder = TextDecoder::projected(format, schema, file_schema);
                Self::Fields(decoder.map_err(|error| {
                    let message = format!("HIVE_INVALID_METADATA: {error}");
                    DataFusionError::External(Box::new(SqlError::user(message)))
                })?)
            }
        })
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Json { decoder, .. } => decoder.rows(),
            Self::Fields(decoder) => decoder.rows(),
        }
    }

    pub(super) fn decode(&mut self, line: &[u8]) -> Result<()> {
        match self {
            Self::Json {
                decoder,
                ignore_malformed,
            } => decode_json(decoder, line, *ignore_malformed),
            Self::Fields(decoder) => decoder
                .push(line)
                .map_err(|refusal| bad_data(format!("HIVE_BAD_DATA: {refusal}"))),
        }
    }

    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let batch = match self {
            Self::Json { decoder, .. } => decoder.finish(),
            Self::Fields(decoder) => decoder.finish(),
        };
        batch.map_err(|error: FormatError| DataFusionError::External(Box::new(error)))
    }
}

fn decode_json(json: &mut JsonDecoder, line: &[u8], ignore_malformed: bool) -> Result<()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        json.push_null();
        return Ok(());
    }
    // The SerDe reads lines as UTF-8.
    let line = String::from_utf8_lossy(line);
    let Err(refusal) = json.push(line.as_bytes()) else {
        return Ok(());
    };
    if ignore_malformed && (refusal.malformed || !line.trim_ascii_start().starts_with('{')) {
        json.push_null();
        return Ok(());
    }
    const SHOWN_BYTES_MAX: usize = 200;
    let shown = String::from_utf8_lossy(&line.as_bytes()[..line.len().min(SHOWN_BYTES_MAX)]);
    Err(bad_data(if refusal.malformed {
        format!("HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {refusal}: {shown}")
    } else {
        format!("HIVE_BAD_DATA: Error Parsing a column in the table: {refusal}: {shown}")
    }))
}

pub(super) fn bad_data(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(SqlError::new(ErrorKind::BadData, message)))
}
