//! Batches to Parquet files, with the options of Firehose's Parquet serializer.

mod dictionary;
#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression as ParquetCodec, GzipLevel};
use parquet::errors::ParquetError;
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

/// Which pages and encodings are written: those of Parquet's first format version, or also those of its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WriterVersion {
    #[default]
    V1,
    V2,
}

/// Sizes in bytes. The defaults are the serializer's documented ones.
///
/// Source: Amazon Data Firehose API Reference, ParquetSerDe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParquetOptions {
    pub compression: ParquetCompression,
    /// Whether values that repeat are written once and then referred to, in the columns where that saves anything.
    pub dictionary: bool,
    /// The size of a block of the file system that the file is meant for. No row group is larger.
    pub block_bytes: usize,
    pub page_bytes: usize,
    /// At most so much is left empty so that a row group begins with a block.
    pub padding_bytes_max: usize,
    pub version: WriterVersion,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::Snappy,
            dictionary: true,
            block_bytes: 256 << 20,
            page_bytes: 1 << 20,
            padding_bytes_max: 0,
            version: WriterVersion::V1,
        }
    }
}

/// How many rows are encoded at once, column by column: few enough that they stay in the processor's caches.
const SLICE_ROWS: usize = 8_192;

/// A Parquet file in memory, written batch by batch. What it holds is encoded and compressed already, but for the
/// pages that are being filled.
pub struct ParquetFile {
    schema: SchemaRef,
    options: ParquetOptions,
    /// From the first rows on, which say how the columns are best encoded.
    writer: Option<ArrowWriter<Vec<u8>>>,
    /// How large a row was last, in a file or at first in memory.
    row_bytes: usize,
}

impl ParquetFile {
    #[must_use]
    pub fn new(schema: SchemaRef, options: ParquetOptions) -> Self {
        Self {
            schema,
            options,
            writer: None,
            row_bytes: 0,
        }
    }

    /// Appends the batch's rows. Its columns must be those of the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        if batch.num_rows() > 0 && self.writer.is_none() {
            self.writer = Some(self.writer(Some(batch))?);
            self.row_bytes = batch.get_array_memory_size() / batch.num_rows();
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let mut row = 0;
        while row < batch.num_rows() {
            let rows_before = writer.in_progress_rows();
            let left = row_group_bytes(writer, &self.options).saturating_sub(writer.in_progress_size());
            let fitting = left / self.row_bytes.max(1);
            if fitting == 0 && rows_before > 0 {
                close_row_group(writer, &self.options).map_err(encode)?;
                continue;
            }
            let rows = SLICE_ROWS.min(batch.num_rows() - row).min(fitting.max(1));
            writer.write(&batch.slice(row, rows)).map_err(encode)?;
            self.row_bytes = writer.in_progress_size() / (rows_before + rows);
            row += rows;
        }
        Ok(())
    }

    /// About how many bytes the file has so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let writer = self.writer.as_ref();
        writer.map_or(0, |writer| writer.bytes_written() + writer.in_progress_size())
    }

    /// The file's bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, FormatError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.writer(None)?,
        };
        if writer.in_progress_rows() > 0 {
            close_row_group(&mut writer, &self.options).map_err(encode)?;
        }
        writer.into_inner().map_err(encode)
    }

    fn writer(&self, first: Option<&RecordBatch>) -> Result<ArrowWriter<Vec<u8>>, FormatError> {
        let options = &self.options;
        let compression = match options.compression {
            ParquetCompression::Uncompressed => ParquetCodec::UNCOMPRESSED,
            ParquetCompression::Gzip => ParquetCodec::GZIP(GzipLevel::default()),
            ParquetCompression::Snappy => ParquetCodec::SNAPPY,
        };
        let version = match options.version {
            WriterVersion::V1 => ParquetVersion::PARQUET_1_0,
            WriterVersion::V2 => ParquetVersion::PARQUET_2_0,
        };
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(options.dictionary)
            .set_data_page_size_limit(options.page_bytes)
            .set_writer_version(version)
            // Row groups are closed here, at the right place in their block.
            .set_max_row_group_row_count(None)
            .set_created_by(concat!("catchment ", env!("CARGO_PKG_VERSION")).to_owned());
        if let (true, Some(batch)) = (options.dictionary, first) {
            let leaves = ArrowSchemaConverter::new().convert(&self.schema).map_err(encode)?;
            let pays = dictionary::pays(batch);
            for (column, _) in leaves.columns().iter().zip(pays).filter(|(_, pays)| !pays) {
                properties = properties.set_column_dictionary_enabled(column.path().clone(), false);
            }
        }
        // Without our Arrow schema in it a reader sees plain strings, whatever arrays we happened to build them in.
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(Vec::new(), self.schema.clone(), options).map_err(encode)
    }
}

/// How large the row group that comes next may become, as the writer reckons: what is left of the block, or a whole
/// block where that is little enough to be padded.
fn row_group_bytes(writer: &ArrowWriter<Vec<u8>>, options: &ParquetOptions) -> usize {
    let block = options.block_bytes.max(1);
    let bytes = match padding(writer, options) {
        // Without padding row groups are in no step with blocks, and those that fill one up would only be small.
        None if options.padding_bytes_max > 0 => block_left(writer, options),
        _ => block,
    };
    // The headers of pages and the levels of nested values are not reckoned.
    bytes - bytes / 16
}

/// How many bytes are left empty before the row group that comes next. The first one needs none.
fn padding(writer: &ArrowWriter<Vec<u8>>, options: &ParquetOptions) -> Option<usize> {
    let left = block_left(writer, options);
    let pads = left <= options.padding_bytes_max && !writer.flushed_row_groups().is_empty();
    pads.then_some(left)
}

fn block_left(writer: &ArrowWriter<Vec<u8>>, options: &ParquetOptions) -> usize {
    let block = options.block_bytes.max(1);
    block - writer.bytes_written() % block
}

fn close_row_group(writer: &mut ArrowWriter<Vec<u8>>, options: &ParquetOptions) -> Result<(), ParquetError> {
    // What is written at once need not be copied as it grows.
    let bytes = writer.in_progress_size();
    writer.inner_mut().reserve(bytes + bytes / 16);
    if let Some(bytes) = padding(writer, options) {
        writer.write_all(&vec![0; bytes])?;
    }
    writer.flush()
}

fn encode(error: ParquetError) -> FormatError {
    FormatError::Encode(error.to_string())
}

/// The batch as one Parquet file.
pub fn write_parquet(batch: &RecordBatch, options: &ParquetOptions) -> Result<Vec<u8>, FormatError> {
    let mut file = ParquetFile::new(batch.schema(), options.clone());
    file.write(batch)?;
    file.finish()
}
