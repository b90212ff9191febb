//! A leaf column's part of a row group: its pages, and what is to be said of them.

use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding, PageType, Type};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::compressor::Compressor;
use super::values::{Bounds, ValuesSummary};

/// What a data page adds to its chunk.
pub(super) struct PageSummary {
    pub(super) rows: usize,
    pub(super) nulls: usize,
    pub(super) bounds: Option<Bounds>,
}

pub(super) struct Chunk {
    pages: TrackedWrite<Segments>,
    uncompressed_bytes: usize,
    values: u64,
    rows: u64,
    nulls: u64,
    /// How many data pages have each encoding, in their order.
    encodings: Vec<(Encoding, i32)>,
    page_type: PageType,
    column_index: ColumnIndexBuilder,
    /// Of each page, its place behind the dictionary, its bytes and its rows.
    places: Vec<(i64, i32, i64)>,
}

impl Chunk {
    pub(super) fn new(physical_type: Type) -> Self {
        Self {
            pages: TrackedWrite::new(Segments::default()),
            uncompressed_bytes: 0,
            values: 0,
            rows: 0,
            nulls: 0,
            encodings: Vec::new(),
            page_type: PageType::DATA_PAGE,
            column_index: ColumnIndexBuilder::new(physical_type),
            places: Vec::new(),
        }
    }

    /// About how many bytes the chunk has so far.
    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes_written()
    }

    pub(super) fn push(&mut self, page: CompressedPage, summary: PageSummary) -> Result<(), ParquetError> {
        let PageSummary { rows, nulls, bounds } = summary;
        match self.encodings.last_mut() {
            Some((encoding, count)) if *encoding == page.encoding() => *count += 1,
            _ => self.encodings.push((page.encoding(), 1)),
        }
        self.page_type = page.page_type();
        self.values += u64::from(page.num_values());
        self.rows += rows as u64;
        self.nulls += nulls as u64;
        match bounds {
            Some(Bounds { least, most }) => self.column_index.append(false, least, most, nulls as i64),
            None if nulls as u64 == u64::from(page.num_values()) => {
                self.column_index.append(true, Vec::new(), Vec::new(), nulls as i64);
            }
            // Values without bounds, such as those that are no numbers, cannot be indexed.
            None => self.column_index.to_invalid(),
        }
        let written = SerializedPageWriter::new(&mut self.pages).write_page(page)?;
        self.uncompressed_bytes += written.uncompressed_size;
        // The library has seen to it that the page fits; its header comes on top.
        let bytes = i32::try_from(written.compressed_size)
            .map_err(|_| ParquetError::General(format!("a page of {} bytes", written.compressed_size)))?;
        self.places.push((written.offset as i64, bytes, rows as i64));
        Ok(())
    }

    /// The chunk's bytes and its metadata, which has places from the chunk's beginning.
    pub(super) fn close(
        mut self,
        column: &ColumnDescPtr,
        dictionary: Option<(Vec<u8>, usize)>,
        summary: ValuesSummary,
        compressor: &mut Compressor,
    ) -> Result<(ChunkBytes, ColumnCloseResult), ParquetError> {
        let mut head = TrackedWrite::new(Segments::default());
        let mut page_statistics = Vec::new();
        let has_dictionary = dictionary.is_some();
        if let Some((values, count)) = dictionary {
            let page = Page::DictionaryPage {
                buf: compressor.compress(&values)?,
                num_values: count as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let page = CompressedPage::new(page, values.len());
            self.uncompressed_bytes += SerializedPageWriter::new(&mut head).write_page(page)?.uncompressed_size;
            page_statistics.push(PageEncodingStats {
                page_type: PageType::DICTIONARY_PAGE,
                encoding: Encoding::PLAIN,
                count: 1,
            });
        }
        page_statistics.extend(self.encodings.iter().map(|(encoding, count)| PageEncodingStats {
            page_type: self.page_type,
            encoding: *encoding,
            count: *count,
        }));
        let behind = head.bytes_written() as i64;
        let mut offset_index = OffsetIndexBuilder::new();
        for (place, bytes, rows) in self.places {
            offset_index.append_row_count(rows);
            offset_index.append_offset_and_size(place + behind, bytes);
        }
        let compressed_bytes = head.bytes_written() + self.pages.bytes_written();
        // Levels have an encoding too.
        let mut encodings = vec![Encoding::RLE];
        encodings.extend(has_dictionary.then_some(Encoding::PLAIN));
        encodings.extend(self.encodings.iter().map(|(encoding, _)| *encoding));
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(compressor.codec())
            .set_encodings(encodings)
            .set_page_encoding_stats(page_statistics)
            .set_total_compressed_size(compressed_bytes as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_num_values(self.values as i64)
            .set_data_page_offset(behind)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_statistics(summary.statistics)
            .build()?;
        self.column_index.set_boundary_order(if summary.rises {
            BoundaryOrder::ASCENDING
        } else {
            BoundaryOrder::UNORDERED
        });
        let column_index = if self.column_index.valid() {
            Some(self.column_index.build()?)
        } else {
            None
        };
        let result = ColumnCloseResult {
            bytes_written: compressed_bytes as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(offset_index.build()),
        };
        let mut segments = head.into_inner()?.into_bytes();
        segments.extend(self.pages.into_inner()?.into_bytes());
        Ok((ChunkBytes { segments }, result))
    }

    pub(super) fn nulls(&self) -> u64 {
        self.nulls
    }
}

/// Takes bytes without ever moving what it has.
#[derive(Default)]
struct Segments {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
}

const SEGMENT_BYTES: usize = 256 << 10;

impl Segments {
    fn into_bytes(self) -> Vec<Bytes> {
        let mut segments: Vec<Bytes> = self.full.into_iter().map(Bytes::from).collect();
        segments.push(Bytes::from(self.last));
        segments
    }
}

impl Write for Segments {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.last.len() + bytes.len() > self.last.capacity() {
            let next = Vec::with_capacity(SEGMENT_BYTES.max(bytes.len()));
            let last = std::mem::replace(&mut self.last, next);
            if !last.is_empty() {
                self.full.push(last);
            }
        }
        self.last.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A chunk's bytes.
pub(super) struct ChunkBytes {
    segments: Vec<Bytes>,
}

/// Reads segments one behind the other.
pub(super) struct SegmentsReader {
    segments: std::vec::IntoIter<Bytes>,
    current: Cursor<Bytes>,
}

impl Read for SegmentsReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.current.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            match self.segments.next() {
                Some(next) => self.current = Cursor::new(next),
                None => return Ok(0),
            }
        }
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len() as u64).sum()
    }
}

impl ChunkReader for ChunkBytes {
    type T = SegmentsReader;

    fn get_read(&self, start: u64) -> Result<SegmentsReader, ParquetError> {
        let mut segments = self.segments.clone();
        let mut start = start as usize;
        for segment in &mut segments {
            let skipped = start.min(segment.len());
            *segment = segment.slice(skipped..);
            start -= skipped;
        }
        Ok(SegmentsReader {
            segments: segments.into_iter(),
            current: Cursor::default(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}
