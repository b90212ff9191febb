//! Hive's types as Arrow's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use engine_catalog::{Column, HiveType};

use crate::FormatError;

/// How values of a declared type are held. Timestamps have microseconds, so that years 1 to 9999 fit; strings
/// are views, which Parquet yields without copying.
pub fn arrow_type(hive: &HiveType) -> DataType {
    match hive {
        HiveType::Boolean => DataType::Boolean,
        HiveType::Tinyint => DataType::Int8,
        HiveType::Smallint => DataType::Int16,
        HiveType::Int => DataType::Int32,
        HiveType::Bigint => DataType::Int64,
        HiveType::Float => DataType::Float32,
        HiveType::Double => DataType::Float64,
        HiveType::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale as i8),
        HiveType::String | HiveType::Varchar(_) | HiveType::Char(_) => DataType::Utf8View,
        HiveType::Binary => DataType::BinaryView,
        HiveType::Date => DataType::Date32,
        HiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        HiveType::Array(element) => DataType::List(Arc::new(Field::new("item", arrow_type(element), true))),
        HiveType::Map(key, value) => {
            let entries = Fields::from(vec![
                Field::new("key", map_key_type(key), false),
                Field::new("value", arrow_type(value), true),
            ]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
        }
        HiveType::Struct(fields) => {
            // Names within rows are case-insensitive, as columns' are.
            let field = |field: &engine_catalog::HiveField| {
                Field::new(field.name.to_lowercase(), arrow_type(&field.data_type), true)
            };
            DataType::Struct(fields.iter().map(field).collect())
        }
    }
}

/// Keys that are text are no views: looking one up compares it with a plain literal.
fn map_key_type(key: &HiveType) -> DataType {
    match arrow_type(key) {
        DataType::Utf8View => DataType::Utf8,
        other => other,
    }
}

/// A table column as an Arrow field; every column may be NULL.
pub fn arrow_field(column: &Column) -> Result<Field, FormatError> {
    let hive = column
        .hive_type()
        .map_err(|error| FormatError::Schema(format!("column {}: {error}", column.name)))?;
    Ok(Field::new(&column.name, arrow_type(&hive), true))
}

/// Table columns as an Arrow schema.
pub fn arrow_schema(columns: &[Column]) -> Result<SchemaRef, FormatError> {
    let fields = columns.iter().map(arrow_field).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}
