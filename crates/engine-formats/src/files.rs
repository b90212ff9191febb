//! Files of columns, read whole: Parquet, ORC and Avro.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use orc_rust::ArrowReaderBuilder;
use orc_rust::schema::TimestampPrecision;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::avro_blocks::read_avro;
use crate::{FormatError, orc_tail};

pub(crate) const BATCH_ROWS: usize = 8_192;
const PARQUET_MAGIC: &[u8] = b"PAR1";
const ORC_MAGIC: &[u8] = b"ORC";
const AVRO_MAGIC: &[u8] = b"Obj\x01";

/// A format whose files say themselves which columns they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Parquet,
    Orc,
    /// Object container files.
    Avro,
}

impl FileFormat {
    /// By the bytes that a file begins with.
    #[must_use]
    pub fn detect(data: &[u8]) -> Option<Self> {
        [
            (PARQUET_MAGIC, Self::Parquet),
            (ORC_MAGIC, Self::Orc),
            (AVRO_MAGIC, Self::Avro),
        ]
        .into_iter()
        .find_map(|(magic, format)| data.starts_with(magic).then_some(format))
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Orc => "ORC",
            Self::Avro => "Avro",
        }
    }
}

/// The batches of a file, one after the other. Damage is an error where it is come upon, and ends them.
pub struct FileBatches {
    format: FileFormat,
    schema: SchemaRef,
    batches: Option<Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>>,
}

impl FileBatches {
    pub(crate) fn new(
        format: FileFormat,
        schema: SchemaRef,
        batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    ) -> Self {
        Self {
            format,
            schema,
            batches: Some(batches),
        }
    }

    /// The file's columns, with the types that Arrow has for them.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// Reads a file. Times are in microseconds where the format does not say otherwise.
pub fn read_file(data: Bytes, format: FileFormat) -> Result<FileBatches, FormatError> {
    let wrong = |error: &dyn std::fmt::Display| damaged(format, error);
    guarded(format, || {
        let (schema, batches): (_, Box<dyn Iterator<Item = _> + Send>) = match format {
            FileFormat::Parquet => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(data).map_err(|error| wrong(&error))?;
                let reader = builder
                    .with_batch_size(BATCH_ROWS)
                    .build()
                    .map_err(|error| wrong(&error))?;
                (arrow::array::RecordBatchReader::schema(&reader), Box::new(reader))
            }
            FileFormat::Orc => {
                orc_tail::check(&data)?;
                let builder = ArrowReaderBuilder::try_new(data).map_err(|error| wrong(&error))?;
                let builder = builder
                    .with_batch_size(BATCH_ROWS)
                    .with_timestamp_precision(TimestampPrecision::Microsecond);
                (builder.schema(), Box::new(builder.build()))
            }
            FileFormat::Avro => return read_avro(&data),
        };
        Ok(FileBatches::new(format, schema, batches))
    })
}

impl Iterator for FileBatches {
    type Item = Result<RecordBatch, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        let format = self.format;
        let mut batches = self.batches.take()?;
        let next = guarded(format, || {
            let next = batches.next().transpose();
            next.map_err(|error| own(error).unwrap_or_else(|error| damaged(format, &error)))
        });
        if let Ok(Some(_)) = next {
            self.batches = Some(batches);
        }
        next.transpose()
    }
}

/// These readers panic at some damaged files, which are nothing but bad input.
pub(crate) fn guarded<T>(format: FileFormat, read: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged(format, &"it is damaged")))
}

/// An error of ours that has gone through a reader.
fn own(error: ArrowError) -> Result<FormatError, ArrowError> {
    match error {
        ArrowError::ExternalError(inner) => inner.downcast().map(|own| *own).map_err(ArrowError::ExternalError),
        other => Err(other),
    }
}

pub(crate) fn damaged(format: FileFormat, why: &dyn std::fmt::Display) -> FormatError {
    FormatError::Decode(format!("it is not {}: {why}", format.name()))
}
