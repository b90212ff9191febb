//! What the decoders of records have in common.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use crate::{ColumnBuilder, FormatError};

/// Why a record is not among the rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Whether the record is none of its format at all, such as no JSON, rather than one that does not fit the schema.
    pub malformed: bool,
    /// The place, what was expected there and what was found.
    pub message: String,
}

/// A record that is not in the batch, by its place among those given, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub index: usize,
    /// See [`Refusal::malformed`].
    pub malformed: bool,
    pub message: String,
}

/// The columns' rows, of which each has so many, as a batch; the columns are empty afterwards.
pub(crate) fn take_batch(
    schema: &SchemaRef,
    columns: &mut [ColumnBuilder],
    rows: usize,
) -> Result<RecordBatch, FormatError> {
    let arrays = columns.iter_mut().map(ColumnBuilder::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options);
    batch.map_err(|error| FormatError::Encode(error.to_string()))
}

/// Pushes records one after the other; returns those that were refused, with the reasons.
pub(crate) fn push_each(records: &[&[u8]], mut push: impl FnMut(&[u8]) -> Result<(), Refusal>) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Err(Refusal { malformed, message }) = push(record) {
            rejected.push(Rejected {
                index,
                malformed,
                message,
            });
        }
    }
    rejected
}
