//! Batches to Parquet files, with the options of Firehose's Parquet serializer.

mod bits;
mod chunk;
mod compressor;
mod decimals;
mod fixed;
mod hybrid;
mod interner;
mod leaf;
mod levels;
mod sample;
mod schema;
#[cfg(test)]
mod tests;
mod texts;
mod values;

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion as ParquetVersion};
use parquet::file::writer::SerializedFileWriter;
use serde::{Deserialize, Serialize};

use self::compressor::Compressor;
use self::leaf::Leaf;
use self::levels::Slots;
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

/// How many rows are encoded at once, column by column: few enough that they stay in the processor's caches, and that
/// pages are not much larger than asked for.
const SLICE_ROWS: usize = 2_048;

/// Pages are no larger than these, whatever is asked for, since their headers have no room for a greater size.
const PAGE_BYTES_MAX: usize = 256 << 20;

/// Levels are held in bytes.
const LEVEL_MAX: i16 = u8::MAX as i16;

/// A Parquet file in memory, written batch by batch. What it holds is encoded and compressed already, but for the
/// pages that are being filled.
pub struct ParquetFile {
    schema: SchemaRef,
    options: ParquetOptions,
    writer: SerializedFileWriter<Vec<u8>>,
    compressor: Compressor,
    /// From the first rows on, which say how the columns are best encoded.
    leaves: Vec<Leaf>,
    /// Rows of the row group that is being filled.
    rows: usize,
    /// How large a row was last, in a file or at first in memory.
    row_bytes: usize,
    /// Whether rows could not be written, or not all of their columns.
    failed: bool,
}

impl ParquetFile {
    /// The schema's types must be those of [`crate::arrow_type`]. Strings that are no views are quicker to write; see
    /// [`crate::without_views`].
    pub fn new(schema: SchemaRef, mut options: ParquetOptions) -> Result<Self, FormatError> {
        options.page_bytes = options.page_bytes.min(PAGE_BYTES_MAX);
        let version = match options.version {
            WriterVersion::V1 => ParquetVersion::PARQUET_1_0,
            WriterVersion::V2 => ParquetVersion::PARQUET_2_0,
        };
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_created_by(concat!("catchment version ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let columns = schema::of_arrow(&schema).map_err(encode)?;
        if columns.num_columns() == 0 {
            return Err(FormatError::Encode("Parquet has no rows without columns".to_owned()));
        }
        if let Some(column) = columns
            .columns()
            .iter()
            .find(|column| column.max_def_level() > LEVEL_MAX)
        {
            let path = column.path();
            return Err(FormatError::Encode(format!(
                "column {path} nests deeper than is written"
            )));
        }
        let writer = SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties.into());
        Ok(Self {
            writer: writer.map_err(encode)?,
            compressor: Compressor::new(options.compression),
            leaves: Vec::new(),
            rows: 0,
            row_bytes: 0,
            failed: false,
            schema,
            options,
        })
    }

    /// Appends the batch's rows. Its columns must be those of the schema. After an error the file can neither be written
    /// to nor finished.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        self.check_whole()?;
        let written = self.write_batch(batch);
        self.failed = written.is_err();
        written
    }

    fn check_whole(&self) -> Result<(), FormatError> {
        if self.failed {
            let message = "rows before these could not be written";
            return Err(FormatError::Encode(message.to_owned()));
        }
        Ok(())
    }

    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        let (columns, wanted) = (batch.num_columns(), self.schema.fields().len());
        if columns != wanted {
            return Err(FormatError::Encode(format!("{columns} columns instead of {wanted}")));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.leaves.is_empty() {
            self.leaves = self.leaves_for(batch)?;
            self.row_bytes = batch.get_array_memory_size() / batch.num_rows();
        }
        // Where rows are large, so few that a page keeps its size.
        let batch_row_bytes = batch.get_array_memory_size() / batch.num_rows();
        let slice_rows = (self.options.page_bytes / batch_row_bytes.max(1)).clamp(1, SLICE_ROWS);
        let mut row = 0;
        while row < batch.num_rows() {
            let left = self.row_group_bytes().saturating_sub(self.in_progress_bytes());
            let fitting = left / self.row_bytes.max(1);
            if fitting == 0 && self.rows > 0 {
                self.close_row_group()?;
                continue;
            }
            let rows = slice_rows.min(batch.num_rows() - row).min(fitting.max(1));
            self.write_rows(batch, row..row + rows)?;
            self.rows += rows;
            self.row_bytes = self.in_progress_bytes() / self.rows;
            row += rows;
        }
        Ok(())
    }

    /// About how many bytes the file has so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.in_progress_bytes()
    }

    /// The file's bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, FormatError> {
        self.check_whole()?;
        if self.rows > 0 {
            self.close_row_group()?;
        }
        self.writer.into_inner().map_err(encode)
    }

    fn leaves_for(&self, first: &RecordBatch) -> Result<Vec<Leaf>, FormatError> {
        let pays = if self.options.dictionary {
            sample::pays(first)
        } else {
            Vec::new()
        };
        let mut pays = pays.into_iter();
        let mut columns = self.writer.schema_descr().columns().iter();
        let mut leaves = Vec::new();
        let mut types = Vec::new();
        self.schema
            .fields()
            .iter()
            .for_each(|field| leaf_types(field.data_type(), &mut types));
        for (data_type, column) in types.into_iter().zip(&mut columns) {
            leaves.push(Leaf::new(column.clone(), data_type, pays.next().unwrap_or(false))?);
        }
        Ok(leaves)
    }

    fn write_rows(&mut self, batch: &RecordBatch, rows: Range<usize>) -> Result<(), FormatError> {
        let Self {
            leaves,
            compressor,
            options,
            schema,
            ..
        } = self;
        let mut leaves = leaves.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            levels::visit_leaves(
                column,
                field,
                Slots::of_rows(rows.clone()),
                &mut |array, slots| match leaves.next() {
                    Some(leaf) => leaf.append(array, slots, options, compressor),
                    None => Err(FormatError::Encode("more columns than the schema has".to_owned())),
                },
            )?;
        }
        Ok(())
    }

    fn in_progress_bytes(&self) -> usize {
        self.leaves.iter().map(Leaf::bytes).sum()
    }

    /// How large the row group that comes next may become, as far as it is reckoned: what is left of the block, or a
    /// whole block where that is little enough to be padded.
    fn row_group_bytes(&self) -> usize {
        let block = self.options.block_bytes.max(1);
        let bytes = match self.padding() {
            // Without padding row groups are in no step with blocks, and those that fill one up would only be small.
            None if self.options.padding_bytes_max > 0 => self.block_left(),
            _ => block,
        };
        // The pages' headers, and what a page has more than was asked for, are not reckoned.
        bytes - bytes / 16
    }

    /// How many bytes are left empty before the row group that comes next. The first one needs none.
    fn padding(&self) -> Option<usize> {
        let left = self.block_left();
        let pads = left <= self.options.padding_bytes_max && !self.writer.flushed_row_groups().is_empty();
        pads.then_some(left)
    }

    fn block_left(&self) -> usize {
        let block = self.options.block_bytes.max(1);
        (block - self.writer.bytes_written() % block) % block
    }

    fn close_row_group(&mut self) -> Result<(), FormatError> {
        if let Some(bytes) = self.padding() {
            let padded = self.writer.write_all(&vec![0; bytes]);
            padded.map_err(|error| FormatError::Encode(error.to_string()))?;
        }
        // What is written at once need not be copied as it grows.
        let bytes = self.in_progress_bytes();
        self.writer.inner_mut().reserve(bytes + bytes / 16);
        let mut row_group = self.writer.next_row_group().map_err(encode)?;
        for leaf in &mut self.leaves {
            let (bytes, close) = leaf.close_chunk(&self.options, &mut self.compressor)?;
            row_group.append_column(&bytes, close).map_err(encode)?;
        }
        row_group.close().map_err(encode)?;
        self.rows = 0;
        Ok(())
    }
}

/// The types of the leaves below, in Parquet's order.
fn leaf_types<'t>(data_type: &'t DataType, leaves: &mut Vec<&'t DataType>) {
    match data_type {
        DataType::Struct(fields) => fields.iter().for_each(|field| leaf_types(field.data_type(), leaves)),
        DataType::List(item) => leaf_types(item.data_type(), leaves),
        DataType::Map(entries, _) => leaf_types(entries.data_type(), leaves),
        leaf => leaves.push(leaf),
    }
}

fn encode(error: ParquetError) -> FormatError {
    FormatError::Encode(error.to_string())
}
