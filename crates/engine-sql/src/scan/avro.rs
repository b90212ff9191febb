//! Tables in Avro.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::{DataFusionError, Result};
use engine_formats::{AvroBlocks, FileBatches, FileFormat, FormatError};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use super::fit::Fit;
use super::rows::bad_data;
use super::source::{Batches, FileReading};

/// Columns are found by their names in the reader's schema, or in the file's where there is none.
pub(super) async fn open(file: PartitionedFile, schema: Option<Arc<str>>, reading: FileReading) -> Result<Batches> {
    let location = &file.object_meta.location;
    let mut fed = Fed {
        blocks: AvroBlocks::new(schema.as_deref()),
        bytes: reading.object_store.get(location).await?.into_stream(),
        file: location.to_string(),
        drained: false,
    };
    let fit = loop {
        if let Some(columns) = fed.blocks.columns().map_err(|error| unreadable(&fed.file, &error))? {
            let names = columns.iter().map(String::as_str);
            break Fit::by_name(FileFormat::Avro, &fed.file, reading.projected, names);
        }
        fed.more().await?;
    };
    fed.blocks.project(fit.read.clone());
    let reading = Reading {
        fed,
        fit,
        batches: None,
    };
    Ok(futures::stream::try_unfold(reading, Reading::next_batch).boxed())
}

/// A file as it streams in.
struct Fed {
    blocks: AvroBlocks,
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    file: String,
    drained: bool,
}

impl Fed {
    async fn more(&mut self) -> Result<()> {
        match self.bytes.try_next().await? {
            Some(bytes) => self.blocks.feed(&bytes),
            None => {
                self.blocks.finish();
                self.drained = true;
            }
        }
        Ok(())
    }
}

struct Reading {
    fed: Fed,
    fit: Fit,
    /// Of the blocks that were read last.
    batches: Option<FileBatches>,
}

impl Reading {
    async fn next_batch(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            let batch = self.batches.as_mut().and_then(Iterator::next).transpose();
            if let Some(batch) = batch.map_err(|error| unreadable(&self.fed.file, &error))? {
                return Ok(Some((self.fit.batch(&batch)?, self)));
            }
            self.batches = self
                .fed
                .blocks
                .next_batches()
                .map_err(|error| unreadable(&self.fed.file, &error))?;
            match &self.batches {
                Some(batches) => self.fit.check(batches.schema())?,
                None if self.fed.drained => return Ok(None),
                None => self.fed.more().await?,
            }
        }
    }
}

fn unreadable(file: &str, error: &FormatError) -> DataFusionError {
    bad_data(format!(
        "HIVE_CURSOR_ERROR: Failed to read Avro file: s3://{file}: {error}"
    ))
}
