//! Which partitions a query needs.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Fields, Schema};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use engine_catalog::{Column, NULL_PARTITION, Partition, Table};

use super::external;
use crate::objects::Location;
use crate::types::arrow_field;
use crate::{ErrorKind, SqlError};

/// A partition as a scan needs it.
#[derive(Debug, Clone)]
pub(super) struct ScanPartition {
    pub(super) location: Location,
    pub(super) values: Vec<ScalarValue>,
}

impl ScanPartition {
    /// The only one of a table without partition keys.
    pub(super) fn whole(table: &Table) -> Result<Self> {
        let location = Location::parse(table.spec.location().unwrap_or("")).map_err(external)?;
        Ok(Self {
            location,
            values: Vec::new(),
        })
    }
}

/// Whether the partition keys alone decide `filter`, the same way each time.
pub(super) fn concerns_only(filter: &Expr, keys: &Fields) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty() && columns.iter().all(|column| keys.find(&column.name).is_some()) && !filter.is_volatile()
}

/// The partitions for which no filter that the keys decide is false or NULL.
pub(super) fn pruned(
    state: &dyn Session,
    table: &Table,
    keys: &Fields,
    partitions: Vec<Partition>,
    filters: &[Expr],
) -> Result<Vec<ScanPartition>> {
    let mut candidates = Vec::with_capacity(partitions.len());
    for partition in partitions {
        candidates.push(scan_partition(table, keys, &partition)?);
    }
    let deciding: Vec<_> = filters.iter().filter(|filter| concerns_only(filter, keys)).collect();
    if deciding.is_empty() || candidates.is_empty() {
        return Ok(candidates);
    }
    // The partitions' values as rows, on which the filters are ordinary expressions.
    let schema = Arc::new(Schema::new(keys.clone()));
    let columns = (0..keys.len())
        .map(|key| ScalarValue::iter_to_array(candidates.iter().map(|candidate| candidate.values[key].clone())))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(candidates.len()));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
    let schema = DFSchema::try_from(schema)?;
    let mut keep = BooleanArray::from(vec![true; candidates.len()]);
    for filter in deciding {
        let unqualified = unqualify(filter.clone())?;
        let decided = state
            .create_physical_expr(unqualified, &schema)?
            .evaluate(&rows)?
            .into_array(candidates.len())?;
        keep = arrow::compute::and_kleene(&keep, decided.as_boolean())?;
    }
    let mut kept = keep.iter().map(|keep| keep == Some(true));
    candidates.retain(|_| kept.next() == Some(true));
    Ok(candidates)
}

fn unqualify(filter: Expr) -> Result<Expr> {
    use datafusion::common::Column;
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    filter
        .transform(|expr| match expr {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
            other => Ok(Transformed::no(other)),
        })
        .data()
}

fn scan_partition(table: &Table, keys: &Fields, partition: &Partition) -> Result<ScanPartition> {
    let storage = partition.spec.storage_descriptor.as_ref();
    if let Some(library) = storage.and_then(|storage| storage.serde_library())
        && let Some(own) = table
            .spec
            .storage_descriptor
            .as_ref()
            .and_then(|storage| storage.serde_library())
        && library != own
    {
        return Err(external(SqlError::not_supported(format!(
            "partitions of another format ({library}) than their table's ({own})"
        ))));
    }
    let location = storage.and_then(|storage| storage.location.clone()).unwrap_or_else(|| {
        let table_location = table.spec.location().unwrap_or("").trim_end_matches('/');
        format!(
            "{table_location}/{}",
            partition.spec.values.path(&table.spec.partition_keys)
        )
    });
    let values = keys
        .iter()
        .zip(&partition.spec.values.0)
        .map(|(key, text)| value(text, key.data_type()));
    Ok(ScanPartition {
        location: Location::parse(&location).map_err(external)?,
        values: values.collect::<Result<_>>()?,
    })
}

/// Whether a partition may have `text` as the value of `key`.
pub(crate) fn check_value(text: &str, key: &Column) -> Result<bool, SqlError> {
    Ok(parse(text, arrow_field(key)?.data_type()).is_ok())
}

fn parse(text: &str, data_type: &DataType) -> Result<ScalarValue> {
    if text == NULL_PARTITION {
        return ScalarValue::try_from(data_type);
    }
    ScalarValue::try_from_string(text.to_owned(), data_type)
}

fn value(text: &str, data_type: &DataType) -> Result<ScalarValue> {
    parse(text, data_type).map_err(|_| {
        let message =
            format!("HIVE_INVALID_PARTITION_VALUE: Invalid partition value '{text}' for {data_type} partition key");
        DataFusionError::External(Box::new(SqlError::new(ErrorKind::BadData, message)))
    })
}
