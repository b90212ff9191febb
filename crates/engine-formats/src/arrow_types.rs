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

/// The same columns with plain strings for views, which are quicker to build and to write out; files have the same
/// schema either way.
#[must_use]
pub fn without_views(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(field_without_views);
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

fn field_without_views(field: &Arc<Field>) -> Arc<Field> {
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(field_without_views(item)),
        DataType::Map(entries, sorted) => DataType::Map(field_without_views(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field_without_views).collect()),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// The name that Hive has for what a column of this type holds.
pub(crate) fn hive_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::BinaryView => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::List(item) => format!("array<{}>", hive_name(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!(
                    "map<{},{}>",
                    hive_name(pair[0].data_type()),
                    hive_name(pair[1].data_type())
                )
            }
            other => other.to_string(),
        },
        DataType::Struct(fields) => {
            let member = |field: &Arc<Field>| format!("{}:{}", field.name(), hive_name(field.data_type()));
            format!("struct<{}>", fields.iter().map(member).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
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
