//! A file source for what DataFusion does not read itself.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{PhysicalExpr, apply_expression_roots};
use futures::stream::BoxStream;
use object_store::ObjectStore;

use super::format::TextFormat;
use super::{avro, orc, text};

const BATCH_ROWS_DEFAULT: usize = 8_192;

/// What is read so.
#[derive(Debug, Clone)]
pub(super) enum StreamFormat {
    Text(TextFormat),
    Orc {
        /// Whether columns are found by their places rather than by their names.
        by_place: bool,
    },
    Avro {
        /// A reader's schema.
        schema: Option<Arc<str>>,
    },
}

#[derive(Clone)]
pub(super) struct StreamSource {
    format: StreamFormat,
    schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    /// Whether files may be read in ranges.
    splittable: bool,
    metrics: ExecutionPlanMetricsSet,
}

impl StreamSource {
    pub(super) fn new(format: StreamFormat, schema: TableSchema, splittable: bool) -> Self {
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

impl FileSource for StreamSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.schema.file_schema();
        let opener = StreamOpener {
            format: self.format.clone(),
            file: FileReading {
                projected: Arc::new(file_schema.project(&self.projection.file_indices)?),
                file_schema: file_schema.clone(),
                batch_rows: self.batch_rows,
                object_store,
            },
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
        match self.format {
            StreamFormat::Text(_) => "text",
            StreamFormat::Orc { .. } => "orc",
            StreamFormat::Avro { .. } => "avro",
        }
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), f)
    }
}

struct StreamOpener {
    format: StreamFormat,
    file: FileReading,
}

/// How a file is to be read.
#[derive(Clone)]
pub(super) struct FileReading {
    /// The columns that are wanted.
    pub(super) projected: SchemaRef,
    /// All the table's columns that are in files.
    pub(super) file_schema: SchemaRef,
    pub(super) batch_rows: usize,
    pub(super) object_store: Arc<dyn ObjectStore>,
}

pub(super) type Batches = BoxStream<'static, Result<RecordBatch>>;

impl FileOpener for StreamOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let reading = self.file.clone();
        Ok(match &self.format {
            StreamFormat::Text(format) => Box::pin(text::open(file, format.clone(), reading)),
            StreamFormat::Orc { by_place } => Box::pin(orc::open(file, *by_place, reading)),
            StreamFormat::Avro { schema } => Box::pin(avro::open(file, schema.clone(), reading)),
        })
    }
}
