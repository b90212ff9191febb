//! Batches to Parquet files, with the options of Firehose's Parquet serializer.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as ParquetCodec, GzipLevel};
use parquet::file::properties::{WriterProperties, WriterVersion as ParquetVersion};
use serde::{Deserialize, Serialize};

use crate::FormatError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ParquetCompression {
    Uncompressed,
    Gzip,
    #[default]
    Snappy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WriterVersion {
    #[default]
    V1,
    V2,
}

/// Sizes in bytes. The defaults are the serializer's documented ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParquetOptions {
    pub compression: ParquetCompression,
    pub dictionary: bool,
    /// A row group's size.
    pub block_bytes: usize,
    pub page_bytes: usize,
    pub version: WriterVersion,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::Snappy,
            dictionary: true,
            block_bytes: 256 << 20,
            page_bytes: 1 << 20,
            version: WriterVersion::V1,
        }
    }
}

/// The batch as one Parquet file.
pub fn write_parquet(batch: &RecordBatch, options: &ParquetOptions) -> Result<Vec<u8>, FormatError> {
    let encode = |error: parquet::errors::ParquetError| FormatError::Encode(error.to_string());
    let compression = match options.compression {
        ParquetCompression::Uncompressed => ParquetCodec::UNCOMPRESSED,
        ParquetCompression::Gzip => ParquetCodec::GZIP(GzipLevel::default()),
        ParquetCompression::Snappy => ParquetCodec::SNAPPY,
    };
    let version = match options.version {
        WriterVersion::V1 => ParquetVersion::PARQUET_1_0,
        WriterVersion::V2 => ParquetVersion::PARQUET_2_0,
    };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(options.dictionary)
        .set_max_row_group_bytes(Some(options.block_bytes.max(1)))
        .set_data_page_size_limit(options.page_bytes)
        .set_writer_version(version)
        .set_created_by(concat!("catchment ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    // Without our Arrow schema in it a reader sees plain strings, whatever arrays we happened to build them in.
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).map_err(encode)?;
    writer.write(batch).map_err(encode)?;
    writer.into_inner().map_err(encode)
}
