//! The columns of files that have their own, as those of the table.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use engine_formats::FileFormat;

use super::rows::bad_data;
use crate::types::full_type_name;

/// Which of a file's columns are those of the table, and how they become them.
pub(super) struct Fit {
    format: FileFormat,
    file: String,
    table: SchemaRef,
    /// The places of the columns to be read among the file's, in order.
    pub(super) read: Vec<usize>,
    /// Of each of the table's columns, its place among those that are read, if the file has it.
    columns: Vec<Option<usize>>,
}

impl Fit {
    /// `places` has the place of each of the table's columns in a file with so many columns. At least one column is
    /// read, to know the number of rows by.
    pub(super) fn new(format: FileFormat, file: &str, table: SchemaRef, places: &[Option<usize>]) -> Self {
        let mut read: Vec<usize> = places.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let columns = places
            .iter()
            .map(|place| place.and_then(|place| read.binary_search(&place).ok()))
            .collect();
        if read.is_empty() {
            read.push(0);
        }
        Self {
            format,
            file: file.to_owned(),
            table,
            read,
            columns,
        }
    }

    /// Finds the columns by their names, whatever the case.
    pub(super) fn by_name<'n>(
        format: FileFormat,
        file: &str,
        table: SchemaRef,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Self {
        let place = |name: &str| names.clone().position(|own| own.eq_ignore_ascii_case(name));
        let places: Vec<_> = table.fields().iter().map(|field| place(field.name())).collect();
        Self::new(format, file, table, &places)
    }

    /// Refuses columns that are read and are not of the table's types.
    pub(super) fn check(&self, read: &SchemaRef) -> Result<()> {
        self.batch(&RecordBatch::new_empty(read.clone())).map(drop)
    }

    /// A batch of the columns that are read as one of the table's. What the file does not have is NULL.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let fields = self.table.fields().iter();
        let columns = fields.zip(&self.columns).map(|(field, column)| {
            let Some(array) = column.and_then(|column| batch.columns().get(column)) else {
                return Ok(new_null_array(field.data_type(), rows));
            };
            fit(array, field.data_type()).map_err(|misfit| self.wrong(field.name(), field.data_type(), misfit))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = columns.collect::<Result<_>>()?;
        Ok(RecordBatch::try_new_with_options(
            self.table.clone(),
            columns,
            &options,
        )?)
    }

    fn wrong(&self, column: &str, wanted: &DataType, misfit: Misfit) -> DataFusionError {
        let (sql, file) = (full_type_name(wanted), &self.file);
        let found = match misfit {
            Misfit::Value(why) => return bad_data(format!("HIVE_BAD_DATA: the column {column} of s3://{file}: {why}")),
            Misfit::Type(found) => found,
        };
        bad_data(match self.format {
            FileFormat::Orc => format!(
                "HIVE_BAD_DATA: Malformed ORC file. Cannot read SQL type '{sql}' from ORC stream '.{column}' of type {} \
                 with attributes {{}} [s3://{file}]",
                orc_kind(&found)
            ),
            other => format!(
                "HIVE_BAD_DATA: Cannot read SQL type '{sql}' from the {} column '{column}' of type {} [s3://{file}]",
                other.name(),
                full_type_name(&found)
            ),
        })
    }
}

/// Why a column is not one of the table's.
enum Misfit {
    Type(DataType),
    /// A value is none of the type.
    Value(ArrowError),
}

/// Numbers become wider ones, or narrower ones where every value fits; within structures, fields are found by name.
fn fit(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, Misfit> {
    let from = array.data_type();
    if from == to {
        return Ok(array.clone());
    }
    let cast = |to: &DataType| {
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(array, to, &strict).map_err(Misfit::Value)
    };
    match (from, to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(_, values), _) => fit(&cast(values)?, to),
        (DataType::List(_), DataType::List(item)) => {
            let list: &ListArray = array.as_list();
            let values = fit(list.values(), item.data_type())?;
            let list = ListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned());
            Ok(Arc::new(list.map_err(Misfit::Value)?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(Misfit::Type(from.clone()));
            };
            let map = array.as_map();
            let [key, value] =
                [(map.keys(), 0), (map.values(), 1)].map(|(array, place)| fit(array, pair[place].data_type()));
            let pairs = StructArray::try_new(pair.clone(), vec![key?, value?], None).map_err(Misfit::Value)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let map = MapArray::try_new(entries.clone(), offsets, pairs, nulls, *sorted);
            Ok(Arc::new(map.map_err(Misfit::Value)?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) if !fields.is_empty() => {
            let rows = array.as_struct();
            let column = |name: &str| {
                let own = rows
                    .fields()
                    .iter()
                    .position(|own| own.name().eq_ignore_ascii_case(name));
                own.map(|own| rows.column(own))
            };
            let columns = fields.iter().map(|field| match column(field.name()) {
                Some(column) => fit(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows.len())),
            });
            let columns = columns.collect::<std::result::Result<_, _>>()?;
            let rows = StructArray::try_new(fields.clone(), columns, rows.nulls().cloned());
            Ok(Arc::new(rows.map_err(Misfit::Value)?))
        }
        _ if is_kin(from, to) => cast(to),
        _ => Err(Misfit::Type(from.clone())),
    }
}

fn is_kin(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    matches!(
        (from, to),
        (
            T::Int8 | T::Int16 | T::Int32 | T::Int64,
            T::Int8 | T::Int16 | T::Int32 | T::Int64
        ) | (T::Float32, T::Float64)
            | (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::Utf8View)
            | (T::Binary | T::LargeBinary | T::FixedSizeBinary(_), T::BinaryView)
            | (T::Timestamp(..), T::Timestamp(..))
            | (T::Date64, T::Date32)
            | (
                T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..),
                T::Decimal128(..)
            )
    )
}

/// As ORC calls the kind of a column.
fn orc_kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "BYTE",
        DataType::Int16 => "SHORT",
        DataType::Int32 => "INT",
        DataType::Int64 => "LONG",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Binary => "BINARY",
        DataType::Date32 => "DATE",
        DataType::Timestamp(_, None) => "TIMESTAMP",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP_INSTANT",
        DataType::Decimal128(..) => "DECIMAL",
        DataType::List(_) => "LIST",
        DataType::Map(..) => "MAP",
        DataType::Struct(_) => "STRUCT",
        DataType::Union(..) => "UNION",
        _ => "STRING",
    }
}
