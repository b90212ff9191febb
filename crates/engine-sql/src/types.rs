//! Hive's types as Arrow's, and Arrow's as the dialect names them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use engine_catalog::{Column, HiveType};

use crate::SqlError;

/// How values of a declared type are held. Timestamps have microseconds, so that years 1 to 9999 fit; strings
/// are views, which Parquet yields without copying.
pub(crate) fn arrow_type(hive: &HiveType) -> DataType {
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

pub(crate) fn arrow_field(column: &Column) -> Result<Field, SqlError> {
    let hive = column
        .hive_type()
        .map_err(|error| SqlError::user(format!("HIVE_INVALID_METADATA: column {}: {error}", column.name)))?;
    Ok(Field::new(&column.name, arrow_type(&hive), true))
}

/// A result column's type in the service's words, with precision and scale.
pub(crate) fn type_name(data_type: &DataType) -> (&'static str, i32, i32) {
    match data_type {
        DataType::Boolean => ("boolean", 0, 0),
        DataType::Int8 => ("tinyint", 3, 0),
        DataType::Int16 | DataType::UInt8 => ("smallint", 5, 0),
        DataType::Int32 | DataType::UInt16 => ("integer", 10, 0),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ("bigint", 19, 0),
        DataType::Float16 | DataType::Float32 => ("float", 17, 0),
        DataType::Float64 => ("double", 17, 0),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => ("decimal", i32::from(*p), i32::from(*s)),
        DataType::Date32 | DataType::Date64 => ("date", 0, 0),
        DataType::Time32(_) | DataType::Time64(_) => ("time", 3, 0),
        DataType::Timestamp(_, None) => ("timestamp", 3, 0),
        DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", 3, 0),
        DataType::Interval(IntervalUnit::YearMonth) => ("interval year to month", 0, 0),
        DataType::Interval(_) | DataType::Duration(_) => ("interval day to second", 0, 0),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ("varbinary", 1_073_741_824, 0)
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_) => {
            ("array", 0, 0)
        }
        DataType::Map(..) => ("map", 0, 0),
        DataType::Struct(_) => ("row", 0, 0),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Null => ("unknown", 0, 0),
        _ => ("varchar", 2_147_483_647, 0),
    }
}

/// The whole type as the dialect writes it, such as `array(row(a integer))`.
pub(crate) fn full_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array({})", full_type_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), full_type_name(field.data_type())))
                .collect();
            format!("row({})", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!(
                    "map({}, {})",
                    full_type_name(pair[0].data_type()),
                    full_type_name(pair[1].data_type())
                )
            }
            _ => "map".to_owned(),
        },
        DataType::Timestamp(_, None) => "timestamp(3)".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp(3) with time zone".to_owned(),
        DataType::Float32 => "real".to_owned(),
        other => match type_name(other) {
            ("decimal", precision, scale) => format!("decimal({precision},{scale})"),
            (name, ..) => name.to_owned(),
        },
    }
}
