//! A leaf column being written: its levels and values, page by page.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page};
use parquet::column::writer::ColumnCloseResult;
use parquet::schema::types::ColumnDescPtr;

use super::chunk::{Chunk, ChunkBytes, PageSummary};
use super::compressor::Compressor;
use super::levels::{Definition, Rows, Slots};
use super::values::{self, PageValues, Values};
use super::{ParquetOptions, WriterVersion, encode, hybrid};
use crate::FormatError;

/// A page that has so many rows is ended, so that an index of pages is of use (as parquet-mr has it).
const PAGE_ROWS_MAX: usize = 20_000;

/// And one of so many slots, which take more room here than they do in the page.
const PAGE_SLOTS_MAX: usize = 1 << 20;

pub(super) struct Leaf {
    column: ColumnDescPtr,
    values: Box<dyn Values>,
    repetition: Vec<u8>,
    definition: Levels,
    slots: usize,
    rows: usize,
    nulls: usize,
    chunk: Chunk,
    /// Room for a page's parts.
    page: Vec<u8>,
}

/// The levels of a page's slots; those that are all the same are only counted.
struct Levels {
    same: u8,
    count: usize,
    each: Vec<u8>,
}

impl Levels {
    fn push(&mut self, level: u8, count: usize, each: Definition<'_>) {
        match each {
            Definition::All if self.each.is_empty() && (self.count == 0 || self.same == level) => {
                self.same = level;
                self.count += count;
            }
            _ => {
                if self.each.is_empty() {
                    self.each.resize(self.count, self.same);
                }
                match each {
                    Definition::All => self.each.resize(self.each.len() + count, level),
                    Definition::Each(levels) => self.each.extend_from_slice(levels),
                }
            }
        }
    }

    fn encode(&self, bit_width: u32, out: &mut Vec<u8>) {
        if self.each.is_empty() {
            hybrid::push_run(self.same.into(), self.count, bit_width, out);
        } else {
            hybrid::encode(&self.each, bit_width, out);
        }
    }

    /// About how many bytes they are when they are encoded.
    fn bytes(&self, bit_width: u32) -> usize {
        self.each.len() * bit_width as usize / 8
    }

    fn clear(&mut self) {
        self.count = 0;
        self.each.clear();
    }
}

impl Leaf {
    pub(super) fn new(column: ColumnDescPtr, data_type: &DataType, dictionary: bool) -> Result<Self, FormatError> {
        Ok(Self {
            values: values::of_column(&column, data_type, dictionary)?,
            repetition: Vec::new(),
            definition: Levels {
                same: 0,
                count: 0,
                each: Vec::new(),
            },
            slots: 0,
            rows: 0,
            nulls: 0,
            chunk: Chunk::new(column.physical_type()),
            page: Vec::new(),
            column,
        })
    }

    /// About how many bytes the row group's part of this column has so far.
    pub(super) fn bytes(&self) -> usize {
        self.chunk.bytes() + self.values.dictionary_bytes() + self.page_bytes()
    }

    /// About how many bytes the page that is being filled has so far.
    fn page_bytes(&self) -> usize {
        let repetition = self.repetition.len() * level_bits(self.column.max_rep_level()) as usize / 8;
        self.values.page_bytes() + repetition + self.definition.bytes(level_bits(self.column.max_def_level()))
    }

    pub(super) fn append(
        &mut self,
        array: &ArrayRef,
        slots: Slots<'_>,
        options: &ParquetOptions,
        compressor: &mut Compressor,
    ) -> Result<(), FormatError> {
        if let Some(repetition) = slots.repetition {
            self.repetition.extend_from_slice(repetition);
        }
        self.definition.push(slots.level, slots.count, slots.definition);
        let values = match slots.rows {
            Rows::Range(start, end) => end - start,
            Rows::Each(rows) => rows.len(),
        };
        self.slots += slots.count;
        self.rows += slots.file_rows;
        self.nulls += slots.count - values;
        self.values.append(array, slots.rows)?;
        let dictionary_is_full = self.values.dictionary_is_full(options.page_bytes);
        let page_is_full =
            self.page_bytes() >= options.page_bytes || self.rows >= PAGE_ROWS_MAX || self.slots >= PAGE_SLOTS_MAX;
        if dictionary_is_full || page_is_full {
            self.finish_page(options, compressor)?;
        }
        if dictionary_is_full {
            self.values.close_dictionary();
        }
        Ok(())
    }

    fn finish_page(&mut self, options: &ParquetOptions, compressor: &mut Compressor) -> Result<(), FormatError> {
        let (repetition_max, definition_max) = (self.column.max_rep_level(), self.column.max_def_level());
        self.page.clear();
        let v1 = options.version == WriterVersion::V1;
        let repetition_bytes = push_levels(&mut self.page, repetition_max, v1, |bit_width, out| {
            hybrid::encode(&self.repetition, bit_width, out);
        });
        let definition_bytes = push_levels(&mut self.page, definition_max, v1, |bit_width, out| {
            self.definition.encode(bit_width, out);
        });
        let levels_bytes = self.page.len();
        let PageValues { encoding, bounds } = self.values.finish_page(&mut self.page);
        // The header has them as a signed number of 32 bits.
        let slots = i32::try_from(self.slots).map_err(|_| {
            let (column, slots) = (self.column.path(), self.slots);
            FormatError::Encode(format!("a page of column {column} would have {slots} values"))
        })?;
        let page = if v1 {
            Page::DataPage {
                buf: compressor.compress(&self.page).map_err(encode)?,
                num_values: slots as u32,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            }
        } else {
            let (levels, values) = self.page.split_at(levels_bytes);
            let values = compressor.compress(values).map_err(encode)?;
            Page::DataPageV2 {
                buf: Bytes::from([levels, &values].concat()),
                num_values: slots as u32,
                encoding,
                num_nulls: self.nulls as u32,
                num_rows: self.rows as u32,
                def_levels_byte_len: definition_bytes as u32,
                rep_levels_byte_len: repetition_bytes as u32,
                is_compressed: compressor.compresses(),
                statistics: None,
            }
        };
        let summary = PageSummary {
            rows: self.rows,
            nulls: self.nulls,
            bounds,
        };
        self.chunk
            .push(CompressedPage::new(page, self.page.len()), summary)
            .map_err(encode)?;
        self.repetition.clear();
        self.definition.clear();
        (self.slots, self.rows, self.nulls) = (0, 0, 0);
        Ok(())
    }

    /// Ends the row group's part of this column.
    pub(super) fn close_chunk(
        &mut self,
        options: &ParquetOptions,
        compressor: &mut Compressor,
    ) -> Result<(ChunkBytes, ColumnCloseResult), FormatError> {
        if self.slots > 0 {
            self.finish_page(options, compressor)?;
        }
        let chunk = std::mem::replace(&mut self.chunk, Chunk::new(self.column.physical_type()));
        let summary = self.values.take_summary(chunk.nulls());
        let dictionary = self.values.take_dictionary();
        chunk
            .close(&self.column, dictionary, summary, compressor)
            .map_err(encode)
    }
}

fn level_bits(max: i16) -> u32 {
    hybrid::bit_width(u32::try_from(max).unwrap_or(0))
}

/// Appends levels up to a greatest one, which pages of the first version have behind their length, and returns how
/// many bytes they are. Where there is but one level, there are none.
fn push_levels(page: &mut Vec<u8>, max: i16, behind_length: bool, push: impl FnOnce(u32, &mut Vec<u8>)) -> usize {
    const LENGTH_BYTES: usize = size_of::<u32>();
    if max == 0 {
        return 0;
    }
    let begin = page.len();
    if behind_length {
        page.extend_from_slice(&[0; LENGTH_BYTES]);
    }
    let levels = page.len();
    push(level_bits(max), page);
    if behind_length {
        let length = (page.len() - levels) as u32;
        page[begin..levels].copy_from_slice(&length.to_le_bytes());
    }
    page.len() - begin
}
