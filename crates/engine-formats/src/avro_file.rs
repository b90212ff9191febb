//! Arrow batches to Avro's object container files.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use serde::{Deserialize, Serialize};

use crate::FormatError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AvroCompression {
    None,
    #[default]
    Deflate,
    Snappy,
    Zstd,
    Bzip2,
}

impl AvroCompression {
    fn codec(self) -> Option<CompressionCodec> {
        match self {
            Self::None => None,
            Self::Deflate => Some(CompressionCodec::Deflate),
            Self::Snappy => Some(CompressionCodec::Snappy),
            Self::Zstd => Some(CompressionCodec::ZStandard),
            Self::Bzip2 => Some(CompressionCodec::Bzip2),
        }
    }
}

/// The batches, all of `schema`, as one file.
pub fn write_avro<'b>(
    schema: &Schema,
    batches: impl IntoIterator<Item = &'b RecordBatch>,
    compression: AvroCompression,
) -> Result<Vec<u8>, FormatError> {
    let encode = |error: &dyn std::fmt::Display| FormatError::Encode(error.to_string());
    let builder = WriterBuilder::new(schema.clone()).with_compression(compression.codec());
    let mut writer = builder
        .build::<_, AvroOcfFormat>(Vec::new())
        .map_err(|error| encode(&error))?;
    for batch in batches {
        writer.write(batch).map_err(|error| encode(&error))?;
    }
    writer.finish().map_err(|error| encode(&error))?;
    Ok(writer.into_inner())
}
