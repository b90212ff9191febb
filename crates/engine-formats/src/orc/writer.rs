//! Batches to a file: stripes, and the tail that describes them.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use engine_catalog::Column;

use super::column::ColumnWriter;
use super::stream::{CHUNK_BYTES, Stream};
use super::types::OrcType;
use super::{OrcCompression, OrcOptions, OrcVersion, StripeParts};
use crate::FormatError;
use crate::protobuf::Message;

const MAGIC: &[u8] = b"ORC";
/// The number that readers know for a writer which has none of its own.
const UNKNOWN_WRITER: u64 = i32::MAX as u64;
/// The first version that a writer other than Apache ORC's for Java may have.
const WRITER_VERSION: u64 = 6;
/// Dates before 1582 are as if today's calendar had always been in use.
const PROLEPTIC_GREGORIAN: u64 = 2;
/// So many rows are written before the stripe's size is looked at again.
const SLICE_ROWS_MAX: usize = 5_000;
/// Of a stripe's size, how much may come in without being looked at.
const SLICE_SHARE: usize = 8;

/// A file being written, held in memory.
#[derive(Debug)]
pub struct OrcWriter {
    options: OrcOptions,
    data_type: OrcType,
    root: ColumnWriter,
    file: Vec<u8>,
    /// `StripeInformation` of each stripe.
    stripes: Vec<Message>,
    /// `StripeStatistics` of each stripe.
    stripe_statistics: Vec<Message>,
    rows: u64,
    stripe_rows: u64,
    /// Rows of the row group that has begun.
    group_rows: usize,
}

impl OrcWriter {
    /// For batches of `schema`. Types that ORC has nothing for are refused as [`FormatError::Schema`].
    pub fn new(schema: &Schema, options: OrcOptions) -> Result<Self, FormatError> {
        Ok(Self::of(OrcType::of_schema(schema)?, options))
    }

    /// For rows of a table, in batches of its [`crate::arrow_schema`]. Unlike that schema, the file tells `varchar`
    /// and `char` from `string`: longer values are cut, and those of `char` filled up with blanks.
    pub fn for_columns(columns: &[Column], options: OrcOptions) -> Result<Self, FormatError> {
        Ok(Self::of(OrcType::of_columns(columns)?, options))
    }

    fn of(data_type: OrcType, options: OrcOptions) -> Self {
        Self {
            root: ColumnWriter::new(&data_type, &options),
            options,
            data_type,
            file: MAGIC.to_vec(),
            stripes: Vec::new(),
            stripe_statistics: Vec::new(),
            rows: 0,
            stripe_rows: 0,
            group_rows: 0,
        }
    }

    /// Appends the batch's rows. After an error the file is lost.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FormatError> {
        let rows = batch.num_rows();
        let row_bytes = batch.get_array_memory_size() / rows.max(1) + 1;
        let slice_rows = (self.options.stripe_bytes / SLICE_SHARE / row_bytes).clamp(1, SLICE_ROWS_MAX);
        let mut at = 0;
        while at < rows {
            if self.group_rows == 0 {
                self.root.start_group();
            }
            let count = slice_rows
                .min(rows - at)
                .min(self.options.row_index_stride - self.group_rows);
            self.root.write_rows(count, batch.slice(at, count).columns())?;
            at += count;
            self.stripe_rows += count as u64;
            self.group_rows += count;
            if self.group_rows == self.options.row_index_stride {
                self.end_group();
            }
            if self.root.buffered_bytes() >= self.options.stripe_bytes {
                self.end_stripe();
            }
        }
        Ok(())
    }

    /// The whole file.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_stripe();
        let content_bytes = self.file.len();
        let mut metadata = Message::default();
        self.stripe_statistics
            .iter()
            .for_each(|stripe| metadata.message(1, stripe));
        let metadata = Stream::of(metadata.as_bytes(), self.options.compression);
        let footer = Stream::of(self.footer(content_bytes).as_bytes(), self.options.compression);
        let postscript = self.postscript(metadata.len(), footer.len());
        self.file.extend(metadata);
        self.file.extend(footer);
        self.file.extend_from_slice(postscript.as_bytes());
        self.file.push(postscript.as_bytes().len() as u8);
        self.file
    }

    fn end_group(&mut self) {
        self.root.end_group();
        self.group_rows = 0;
    }

    fn end_stripe(&mut self) {
        if self.stripe_rows == 0 {
            return;
        }
        if self.group_rows > 0 {
            self.end_group();
        }
        let mut parts = StripeParts::default();
        self.root.finish_stripe(&self.options, &mut parts);

        let mut footer = Message::default();
        for stream in parts.index.iter().chain(&parts.data) {
            let mut message = Message::default();
            message.uint(1, stream.kind as u64);
            message.uint(2, u64::from(stream.column));
            message.uint(3, stream.bytes.len() as u64);
            footer.message(1, &message);
        }
        parts.encodings.iter().for_each(|encoding| footer.message(2, encoding));
        footer.bytes(3, b"UTC");
        let footer = Stream::of(footer.as_bytes(), self.options.compression);

        let index_bytes: usize = parts.index.iter().map(|stream| stream.bytes.len()).sum();
        let data_bytes: usize = parts.data.iter().map(|stream| stream.bytes.len()).sum();
        self.pad(index_bytes + data_bytes + footer.len());
        let mut stripe = Message::default();
        stripe.uint(1, self.file.len() as u64);
        stripe.uint(2, index_bytes as u64);
        stripe.uint(3, data_bytes as u64);
        stripe.uint(4, footer.len() as u64);
        stripe.uint(5, self.stripe_rows);
        self.stripes.push(stripe);
        for stream in parts.index.into_iter().chain(parts.data) {
            self.file.extend(stream.bytes);
        }
        self.file.extend(footer);

        let mut statistics = Message::default();
        parts.statistics.iter().for_each(|column| statistics.message(1, column));
        self.stripe_statistics.push(statistics);
        self.rows += self.stripe_rows;
        self.stripe_rows = 0;
    }

    /// Fills a block's rest with zeros if a stripe of `stripe_bytes` does not fit into it and little is wasted.
    fn pad(&mut self, stripe_bytes: usize) {
        let OrcOptions {
            padding,
            padding_tolerance,
            block_bytes,
            ..
        } = self.options;
        let in_block = self.file.len() as u64 % block_bytes.max(1);
        let rest = block_bytes - in_block;
        let rest_max = (padding_tolerance * self.options.stripe_bytes as f64) as u64;
        if padding && in_block > 0 && stripe_bytes as u64 > rest && rest <= rest_max {
            self.file.resize(self.file.len() + rest as usize, 0);
        }
    }

    /// `Footer` of the format's metadata.
    fn footer(&self, content_bytes: usize) -> Message {
        let mut statistics = Vec::new();
        self.root.file_statistics(&mut statistics);
        let mut footer = Message::default();
        footer.uint(1, MAGIC.len() as u64);
        footer.uint(2, content_bytes as u64);
        self.stripes.iter().for_each(|stripe| footer.message(3, stripe));
        self.data_type
            .messages()
            .iter()
            .for_each(|data_type| footer.message(4, data_type));
        footer.uint(6, self.rows);
        statistics.iter().for_each(|column| footer.message(7, column));
        footer.uint(8, self.options.row_index_stride as u64);
        footer.uint(9, UNKNOWN_WRITER);
        footer.uint(11, PROLEPTIC_GREGORIAN);
        footer.bytes(12, concat!("catchment ", env!("CARGO_PKG_VERSION")).as_bytes());
        footer
    }

    /// `PostScript` of the format's metadata. It has less than 256 bytes.
    fn postscript(&self, metadata_bytes: usize, footer_bytes: usize) -> Message {
        let mut postscript = Message::default();
        postscript.uint(1, footer_bytes as u64);
        postscript.uint(
            2,
            match self.options.compression {
                OrcCompression::None => 0,
                OrcCompression::Zlib => 1,
                OrcCompression::Snappy => 2,
            },
        );
        postscript.uint(3, CHUNK_BYTES as u64);
        postscript.packed(
            4,
            match self.options.version {
                OrcVersion::V0_11 => &[0, 11],
                OrcVersion::V0_12 => &[0, 12],
            },
        );
        postscript.uint(5, metadata_bytes as u64);
        postscript.uint(6, WRITER_VERSION);
        postscript.bytes(8_000, MAGIC);
        postscript
    }
}
