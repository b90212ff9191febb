//! A file source for lines of text.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{PhysicalExpr, apply_expression_roots};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};

use super::format::TextFormat;
use super::lines::Lines;
use super::rows::RowDecoder;

const BATCH_ROWS_DEFAULT: usize = 8_192;

#[derive(Clone)]
pub(super) struct TextSource {
    format: TextFormat,
    schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    /// Whether files may be read in ranges; compressed ones may not.
    splittable: bool,
    metrics: ExecutionPlanMetricsSet,
}

impl TextSource {
    pub(super) fn new(format: TextFormat, schema: TableSchema, splittable: bool) -> Self {
        let projection = SplitProjection::unprojected(&schema);
        let metrics = ExecutionPlanMetricsSet::new();
        Self {
            format,
            schema,
            projection,
            batch_rows: BATCH_ROWS_DEFAULT,
            splittable,
            metrics,
        }
    }
}

impl FileSource for TextSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.schema.file_schema();
        let opener = TextOpener {
            format: self.format.clone(),
            projected: Arc::new(file_schema.project(&self.projection.file_indices)?),
            file_schema: file_schema.clone(),
            batch_rows: self.batch_rows,
            object_store,
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows,
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self {
            projection,
            ..self.clone()
        })))
    }

    fn supports_repartitioning(&self) -> bool {
        self.splittable
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "text"
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), f)
    }
}

struct TextOpener {
    format: TextFormat,
    projected: SchemaRef,
    file_schema: SchemaRef,
    batch_rows: usize,
    object_store: Arc<dyn ObjectStore>,
}

impl FileOpener for TextOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let decoder = RowDecoder::new(self.format.row.clone(), self.projected.clone(), &self.file_schema)?;
        let (store, batch_rows, skip_lines) = (self.object_store.clone(), self.batch_rows, self.format.skip_lines);
        Ok(Box::pin(async move {
            let location = &file.object_meta.location;
            let (lines, options) = match &file.range {
                Some(range) => {
                    let (start, end) = (range.start.max(0) as u64, range.end.max(0) as u64);
                    let from = GetRange::Bounded(Lines::feed_from(start)..file.object_meta.size);
                    (
                        Lines::range(start, end, skip_lines),
                        GetOptions {
                            range: Some(from),
                            ..GetOptions::default()
                        },
                    )
                }
                None => (Lines::whole(location.as_ref(), skip_lines)?, GetOptions::default()),
            };
            let bytes = store.get_opts(location, options).await?.into_stream();
            let reading = Reading {
                lines,
                decoder,
                batch_rows,
                bytes,
                drained: false,
            };
            Ok(futures::stream::try_unfold(reading, Reading::next_batch).boxed())
        }))
    }
}

struct Reading {
    lines: Lines,
    decoder: RowDecoder,
    batch_rows: usize,
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    drained: bool,
}

impl Reading {
    async fn next_batch(mut self) -> Result<Option<(RecordBatch, Self)>, DataFusionError> {
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
