//! The catalog's tables as DataFusion scans them.

mod avro;
mod fit;
mod format;
mod lines;
mod names;
mod orc;
mod partitions;
mod rows;
mod source;
mod text;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use base::Scope;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use engine_catalog::{Catalog, Column, Table};
use engine_formats::Decompressor;
use futures::{StreamExt, TryStreamExt};

use crate::SqlError;
use crate::objects::LakeObjects;
use crate::types::arrow_field;
use format::Format;
use names::AnyCase;
pub(crate) use partitions::check_value;
use partitions::{ScanPartition, concerns_only};
use source::{StreamFormat, StreamSource};

/// The one store that holds every bucket; its paths begin with the bucket's name.
pub(crate) const STORE_URL: &str = "catchment://objects/";
/// How many locations are listed side by side.
const LISTINGS_MAX: usize = 8;
/// A Parquet footer is usually shorter, so that one read gets it.
const FOOTER_BYTES_HINT: usize = 64 << 10;
/// Endings of compressed text that cannot be read yet.
const OTHER_CODECS: [&str; 4] = [".lz4", ".lzo", ".deflate", ".zip"];

/// One table, as it was when the query was planned.
pub(crate) struct LakeTable {
    scope: Scope,
    catalog: Catalog,
    objects: LakeObjects,
    table: Table,
    /// Or why the table cannot be read; its columns are known all the same.
    format: Result<Format, SqlError>,
    schema: TableSchema,
}

impl LakeTable {
    pub(crate) fn new(scope: Scope, catalog: Catalog, objects: LakeObjects, table: Table) -> Self {
        let mut format = readable(&table);
        let mut field = |column: &Column| {
            arrow_field(column).unwrap_or_else(|error| {
                format = Err(error);
                Field::new(&column.name, DataType::Utf8View, true)
            })
        };
        let columns: Vec<_> = table.spec.columns().iter().map(&mut field).collect();
        let keys: Vec<_> = table.spec.partition_keys.iter().map(field).map(Arc::new).collect();
        let schema = TableSchema::builder(Arc::new(Schema::new(columns)))
            .with_table_partition_cols(keys)
            .build();
        Self {
            scope,
            catalog,
            objects,
            table,
            format,
            schema,
        }
    }

    /// The files of the partitions that the filters leave, with those partitions' values.
    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let keys = self.schema.table_partition_cols();
        let partitions = if keys.is_empty() {
            vec![ScanPartition::whole(&self.table)?]
        } else {
            let (database, name) = (&self.table.database, &self.table.spec.name);
            let all = self
                .catalog
                .partitions(&self.scope, database, name, None, usize::MAX, |_| true);
            let all = all.map_err(SqlError::from).map_err(external)?;
            partitions::pruned(state, &self.table, keys, all, filters)?
        };
        let listings = futures::stream::iter(partitions).map(|partition| async move {
            let files = self.objects.files(&partition.location).await.map_err(external)?;
            Ok::<_, DataFusionError>(files.into_iter().map(move |file| {
                PartitionedFile::new_from_meta(file.meta).with_partition_values(partition.values.clone())
            }))
        });
        let listed: Vec<_> = listings.buffered(LISTINGS_MAX).try_collect().await?;
        Ok(listed.into_iter().flatten().collect())
    }
}

fn readable(table: &Table) -> Result<Format, SqlError> {
    let what = |what: &str| format!("{what} {}.{}", table.database, table.spec.name);
    if is_view(table) {
        return Err(SqlError::not_supported(what("the view")));
    }
    let projected = table.spec.parameter("projection.enabled");
    if projected.is_some_and(|enabled| enabled.eq_ignore_ascii_case("true")) {
        return Err(SqlError::not_supported(what("partition projection, of the table")));
    }
    Format::of(table)
}

fn is_view(table: &Table) -> bool {
    table.spec.table_type.as_deref() == Some("VIRTUAL_VIEW")
}

pub(crate) fn table_type(table: &Table) -> TableType {
    if is_view(table) {
        TableType::View
    } else {
        TableType::Base
    }
}

fn external(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        table_type(&self.table)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let keys = self.schema.table_partition_cols();
        let support = |filter: &&Expr| match &self.format {
            _ if concerns_only(filter, keys) => TableProviderFilterPushDown::Exact,
            Ok(Format::Parquet) => TableProviderFilterPushDown::Inexact,
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let format = self.format.as_ref().map_err(|error| external(error.clone()))?;
        let files = self.files(state, filters).await?;
        if files.is_empty() {
            let schema = self.schema.table_schema();
            let projected = match projection {
                Some(projection) => Arc::new(schema.project(projection)?),
                None => schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(projected)));
        }
        let url = ObjectStoreUrl::parse(STORE_URL)?;
        let source: Arc<dyn FileSource> = match format {
            Format::Parquet => {
                let store = state.runtime_env().object_store(&url)?;
                let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
                let options = TableParquetOptions {
                    global: state.config_options().execution.parquet.clone(),
                    ..TableParquetOptions::default()
                };
                let source = ParquetSource::new(self.schema.clone())
                    .with_table_parquet_options(options)
                    .with_metadata_size_hint(FOOTER_BYTES_HINT)
                    .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, cache)));
                Arc::new(source)
            }
            Format::Text(format) => {
                let path = |file: &PartitionedFile| file.object_meta.location.to_string();
                if let Some(file) = files
                    .iter()
                    .find(|file| OTHER_CODECS.iter().any(|codec| path(file).ends_with(codec)))
                {
                    return Err(external(SqlError::not_supported(format!(
                        "reading the compressed file s3://{}",
                        path(file)
                    ))));
                }
                let splittable = !files.iter().any(|file| Decompressor::is_for(&path(file)));
                let format = StreamFormat::Text(format.clone());
                Arc::new(StreamSource::new(format, self.schema.clone(), splittable))
            }
            Format::Orc { by_place } => {
                let format = StreamFormat::Orc { by_place: *by_place };
                Arc::new(StreamSource::new(format, self.schema.clone(), true))
            }
            Format::Avro { schema } => {
                let format = StreamFormat::Avro { schema: schema.clone() };
                Arc::new(StreamSource::new(format, self.schema.clone(), false))
            }
        };
        let groups = FileGroup::new(files).split_files(state.config_options().execution.target_partitions);
        // A limit may be pushed into the scan only where every filter is decided by the partitions.
        let keys = self.schema.table_partition_cols();
        let limit = limit.filter(|_| filters.iter().all(|filter| concerns_only(filter, keys)));
        let config = FileScanConfigBuilder::new(url, source)
            .with_file_groups(groups)
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .with_expr_adapter(Some(Arc::new(AnyCase)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LakeTable({}.{})", self.table.database, self.table.spec.name)
    }
}
