//! ORC files, read range by range: of each stripe only the streams of the columns that are wanted.

use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::panic::AssertUnwindSafe;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use orc_rust::ArrowReaderBuilder;
use orc_rust::projection::ProjectionMask;
use orc_rust::reader::AsyncChunkReader;
use orc_rust::schema::TimestampPrecision;

use crate::FormatError;
use crate::files::{BATCH_ROWS, FileFormat, damaged};
use crate::orc_tail::{TAIL_BYTES, bytes_wanted, check};

/// Where a file's bytes come from.
pub trait ReadRange: Send + 'static {
    /// The bytes of a range that is within the file.
    fn read_range(&mut self, range: Range<u64>) -> BoxFuture<'_, std::io::Result<Bytes>>;
}

/// A file whose columns are known.
pub struct OrcFile<R> {
    builder: ArrowReaderBuilder<Ranges<R>>,
}

impl<R: ReadRange> OrcFile<R> {
    /// Reads what the file of so many bytes says of itself.
    pub async fn open(mut reader: R, length: u64) -> Result<Self, FormatError> {
        let mut tail = read_end(&mut reader, length, TAIL_BYTES).await?;
        let wanted = bytes_wanted(&tail)?;
        if wanted > tail.len() as u64 {
            tail = read_end(&mut reader, length, wanted).await?;
        }
        check(&tail)?;
        let ranges = Ranges { reader, length, tail };
        let opening = AssertUnwindSafe(ArrowReaderBuilder::try_new_async(ranges));
        let builder = opening.catch_unwind().await.map_err(|_| panicked())?;
        let builder = builder.map_err(|error| wrong(&error))?;
        Ok(Self {
            builder: builder
                .with_batch_size(BATCH_ROWS)
                .with_timestamp_precision(TimestampPrecision::Microsecond),
        })
    }

    /// The file's columns, with the types that Arrow has for them.
    pub fn schema(&self) -> SchemaRef {
        self.builder.schema()
    }

    /// The batches of the columns at these places, in the file's order, whatever order they are named in. There must be
    /// one at least. Times are in microseconds. If a range is given, only the stripes that begin in it are read.
    pub fn read(
        self,
        columns: &[usize],
        range: Option<Range<u64>>,
    ) -> BoxStream<'static, Result<RecordBatch, FormatError>> {
        let root = self.builder.file_metadata().root_data_type();
        let wanted = columns.iter().filter_map(|column| root.children().get(*column));
        let projection = ProjectionMask::roots(root, wanted.map(|column| column.data_type().column_index()));
        let mut builder = self.builder.with_projection(projection);
        if let Some(Range { start, end }) = range {
            let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            builder = builder.with_file_byte_range(bound(start)..bound(end));
        }
        let batches = builder.build_async();
        // The reader panics at some damaged files, which are nothing but bad input.
        let guarded = AssertUnwindSafe(batches).catch_unwind();
        let batches = guarded.map(|batch| match batch {
            Ok(batch) => batch.map_err(|error| wrong(&error)),
            Err(_) => Err(panicked()),
        });
        batches.boxed()
    }
}

fn wrong(why: &dyn std::fmt::Display) -> FormatError {
    damaged(FileFormat::Orc, why)
}

fn panicked() -> FormatError {
    wrong(&"it is damaged")
}

async fn read_end(reader: &mut impl ReadRange, length: u64, bytes: u64) -> Result<Bytes, FormatError> {
    let read = reader.read_range(length.saturating_sub(bytes)..length).await;
    read.map_err(|error| wrong(&error))
}

/// A reader that is asked for nothing beyond the file's end, nor again for what stands at its end.
struct Ranges<R> {
    reader: R,
    length: u64,
    tail: Bytes,
}

impl<R: ReadRange> AsyncChunkReader for Ranges<R> {
    fn len(&mut self) -> BoxFuture<'_, std::io::Result<u64>> {
        std::future::ready(Ok(self.length)).boxed()
    }

    fn get_bytes(&mut self, offset: u64, length: u64) -> BoxFuture<'_, std::io::Result<Bytes>> {
        let Some(end) = offset.checked_add(length).filter(|end| *end <= self.length) else {
            let beyond = Error::new(ErrorKind::UnexpectedEof, "it speaks of bytes beyond its end");
            return std::future::ready(Err(beyond)).boxed();
        };
        // Columns of NULLs alone have streams of no bytes.
        if length == 0 {
            return std::future::ready(Ok(Bytes::new())).boxed();
        }
        match offset.checked_sub(self.length - self.tail.len() as u64) {
            Some(at) => {
                let at = at as usize;
                std::future::ready(Ok(self.tail.slice(at..at + length as usize))).boxed()
            }
            None => self.reader.read_range(offset..end),
        }
    }
}
