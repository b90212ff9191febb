//! What a data file's footer knows of its columns, as an `add` says it ("Per-file Statistics").

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{SortOptions, sort_limit};
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde::Serialize;
use serde_json::value::RawValue;

/// As many columns as other writers give statistics for (the default of `delta.dataSkippingNumIndexedCols`).
const COLUMNS_MAX: usize = 32;

/// The statistics of one file. Columns with members or elements have none, which is allowed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statistics {
    pub num_records: u64,
    min_values: BTreeMap<String, Box<RawValue>>,
    max_values: BTreeMap<String, Box<RawValue>>,
    pub null_count: BTreeMap<String, u64>,
}

pub(crate) fn of_file(metadata: &ParquetMetaData, schema: &Schema) -> Result<Statistics, ArrowError> {
    let rows = |group: &parquet::file::metadata::RowGroupMetaData| u64::try_from(group.num_rows()).unwrap_or_default();
    let groups = metadata.row_groups();
    let (mut mins, mut maxes, mut null_count) = (Vec::new(), Vec::new(), BTreeMap::new());
    let columns = schema.fields().iter().filter(|field| !field.data_type().is_nested());
    for field in columns.take(COLUMNS_MAX) {
        let descriptor = metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::try_new(field.name(), schema, descriptor)?;
        let converter = converter.with_missing_null_counts_as_zero(false);
        let nulls = converter.row_group_null_counts(groups)?;
        if nulls.null_count() == 0 {
            null_count.insert(field.name().clone(), nulls.values().iter().sum());
        }
        // Readers give false and true, and plain bytes, no bounds.
        if matches!(field.data_type(), DataType::Boolean | DataType::Binary) {
            continue;
        }
        let bound = |bounds: ArrayRef, descending: bool| -> Result<Option<(String, ArrayRef)>, ArrowError> {
            let is_known = |(at, group)| bounds.is_valid(at) || nulls.is_valid(at) && nulls.value(at) == rows(group);
            if !groups.iter().enumerate().all(is_known) {
                return Ok(None);
            }
            let options = SortOptions {
                descending,
                nulls_first: false,
            };
            let first = sort_limit(&bounds, Some(options), Some(1))?;
            // Arrow knows zones by their names only where a database of them is linked.
            let first = match first.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(times) if times.timezone().is_some() => Arc::new(times.clone().with_timezone_utc()),
                _ => first,
            };
            Ok((first.len() == 1).then(|| (field.name().clone(), first)))
        };
        mins.extend(bound(converter.row_group_mins(groups)?, false)?);
        // Spark has NaN behind all other numbers, and Parquet's statistics pass over it.
        if !field.data_type().is_floating() {
            maxes.extend(bound(converter.row_group_maxes(groups)?, true)?);
        }
    }
    Ok(Statistics {
        num_records: groups.iter().map(rows).sum(),
        min_values: as_json(mins)?,
        max_values: as_json(maxes)?,
        null_count,
    })
}

/// Columns of one value each, as JSON has it.
fn as_json(columns: Vec<(String, ArrayRef)>) -> Result<BTreeMap<String, Box<RawValue>>, ArrowError> {
    if columns.is_empty() {
        return Ok(BTreeMap::new());
    }
    let is_time: Vec<bool> = columns
        .iter()
        .map(|(_, column)| column.data_type().is_temporal())
        .collect();
    let row = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, value)| (name, value, true)))?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&row)?;
    writer.finish()?;
    let made: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(&writer.into_inner()).map_err(|error| ArrowError::JsonError(error.to_string()))?;
    let names: BTreeMap<&str, bool> = row
        .schema_ref()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .zip(is_time)
        .collect();
    // Numbers that are not finite are null here, and years that have not four digits begin with a sign.
    let is_plain = |name: &str, value: &str| {
        value != "null"
            && !(names.get(name) == Some(&true) && ["\"+", "\"-"].iter().any(|sign| value.starts_with(sign)))
    };
    Ok(made
        .into_iter()
        .filter(|(name, value)| is_plain(name, value.get()))
        .collect())
}
