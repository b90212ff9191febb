//! Files of lines, as they stream in.

use arrow::array::RecordBatch;
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::Result;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange};

use super::format::TextFormat;
use super::lines::Lines;
use super::rows::RowDecoder;
use super::source::{Batches, FileReading};

pub(super) async fn open(file: PartitionedFile, format: TextFormat, reading: FileReading) -> Result<Batches> {
    let decoder = RowDecoder::new(format.row, reading.projected, &reading.file_schema)?;
    let location = &file.object_meta.location;
    let (lines, range) = match &file.range {
        Some(range) => {
            let (start, end) = (range.start.max(0) as u64, range.end.max(0) as u64);
            let from = GetRange::Bounded(Lines::feed_from(start)..file.object_meta.size);
            (Lines::range(start, end, format.skip_lines), Some(from))
        }
        None => (Lines::whole(location.as_ref(), format.skip_lines)?, None),
    };
    let options = GetOptions {
        range,
        ..GetOptions::default()
    };
    let bytes = reading.object_store.get_opts(location, options).await?.into_stream();
    let reading = Reading {
        lines,
        decoder,
        batch_rows: reading.batch_rows,
        bytes,
        drained: false,
    };
    Ok(futures::stream::try_unfold(reading, Reading::next_batch).boxed())
}

struct Reading {
    lines: Lines,
    decoder: RowDecoder,
    batch_rows: usize,
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    drained: bool,
}

impl Reading {
    async fn next_batch(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            while self.decoder.rows() < self.batch_rows {
                let Some(line) = self.lines.next()? else { break };
                self.decoder.decode(&line)?;
            }
            if self.decoder.rows() >= self.batch_rows {
                return Ok(Some((self.decoder.finish()?, self)));
            }
            if self.drained || self.lines.is_past_end() {
                return if self.decoder.rows() == 0 {
                    Ok(None)
                } else {
                    Ok(Some((self.decoder.finish()?, self)))
                };
            }
            match self.bytes.try_next().await? {
                Some(bytes) => self.lines.feed(bytes),
                None => {
                    self.lines.finish();
                    self.drained = true;
                }
            }
        }
    }
}
