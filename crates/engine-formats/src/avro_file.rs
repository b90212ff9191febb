//! Arrow batches to Avro's object container files.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::format::AvroOcfFormat;
use arrow_avro::writer::{Writer, WriterBuilder};
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

/// A file in the making, in memory.
pub struct AvroFile(Writer<Vec<u8>, AvroOcfFormat>);

impl AvroFile {
    /// Refuses columns and fields of which Avro makes no names.
    pub fn new(schema: &Schema, compression: AvroCompression) -> Result<Self, FormatError> {
        schema.fields().iter().try_for_each(|field| check_name(field))?;
        let builder = WriterBuilder::new(schema.clone()).with_compression(compression.codec());
        builder.build(Vec::new()).map(Self).map_err(not_encoded)
    }

    /// Adds a batch, which becomes a block.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        // Java's reader takes a block without rows for the end.
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.0.write(batch).map_err(not_encoded)
    }

    pub fn finish(mut self) -> Result<Vec<u8>, FormatError> {
        self.0.finish().map_err(not_encoded)?;
        Ok(self.0.into_inner())
    }
}

/// The batches, all of `schema`, as one file.
pub fn write_avro<'b>(
    schema: &Schema,
    batches: impl IntoIterator<Item = &'b RecordBatch>,
    compression: AvroCompression,
) -> Result<Vec<u8>, FormatError> {
    let mut file = AvroFile::new(schema, compression)?;
    for batch in batches {
        file.write(batch)?;
    }
    file.finish()
}

/// Avro's specification, "Names". What lists and maps consist of has no name there.
fn check_name(field: &Field) -> Result<(), FormatError> {
    let name = field.name();
    let is_good =
        |(at, byte): (usize, u8)| byte == b'_' || byte.is_ascii_alphabetic() || at > 0 && byte.is_ascii_digit();
    if name.is_empty() || !name.bytes().enumerate().all(is_good) {
        let why =
            format!("Avro has no columns or fields called {name:?}: only letters of ASCII, digits and underscores");
        return Err(FormatError::Schema(why));
    }
    check_names_in(field.data_type())
}

fn check_names_in(data_type: &DataType) -> Result<(), FormatError> {
    match data_type {
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_name(field)),
        DataType::List(item) => check_names_in(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) => entry.iter().try_for_each(|part| check_names_in(part.data_type())),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn not_encoded(error: impl std::fmt::Display) -> FormatError {
    FormatError::Encode(error.to_string())
}
