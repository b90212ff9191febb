//! Hive's types as Arrow's, and the way back.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use engine_catalog::{Column, HiveField, HiveType};

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
            let field = |field: &HiveField| Field::new(field.name.to_lowercase(), arrow_type(&field.data_type), true);
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

/// What a file's column is declared as in a table.
///
/// Unsigned integers become the next larger type. What is always NULL is taken for text. The unit and zone of a
/// timestamp are lost, as are the lengths of `varchar` and `char`, which Arrow does not have.
pub fn hive_type(arrow: &DataType) -> Result<HiveType, FormatError> {
    hive_of(arrow).map_err(FormatError::Schema)
}

fn hive_of(arrow: &DataType) -> Result<HiveType, String> {
    Ok(match arrow {
        DataType::Boolean => HiveType::Boolean,
        DataType::Int8 => HiveType::Tinyint,
        DataType::Int16 | DataType::UInt8 => HiveType::Smallint,
        DataType::Int32 | DataType::UInt16 => HiveType::Int,
        DataType::Int64 | DataType::UInt32 => HiveType::Bigint,
        DataType::UInt64 => HiveType::Decimal(20, 0),
        DataType::Float16 | DataType::Float32 => HiveType::Float,
        DataType::Float64 => HiveType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => decimal(*precision, *scale)
            .ok_or_else(|| format!("decimal({precision},{scale}) has more digits than Hive's decimals"))?,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => HiveType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            HiveType::Binary
        }
        DataType::Date32 | DataType::Date64 => HiveType::Date,
        DataType::Timestamp(..) => HiveType::Timestamp,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => HiveType::Array(Box::new(hive_of(item.data_type())?)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => HiveType::Map(
                Box::new(hive_of(pair[0].data_type())?),
                Box::new(hive_of(pair[1].data_type())?),
            ),
            other => return Err(format!("a map of {other} is none")),
        },
        DataType::Struct(fields) => {
            let field = |field: &Arc<Field>| {
                Ok(HiveField {
                    name: field.name().to_lowercase(),
                    data_type: hive_of(field.data_type())?,
                })
            };
            HiveType::Struct(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        DataType::Dictionary(_, values) => hive_of(values)?,
        DataType::RunEndEncoded(_, values) => hive_of(values.data_type())?,
        other => return Err(format!("Hive has no type for {other}")),
    })
}

/// A decimal whose scale is negative has zeros before its point.
fn decimal(precision: u8, scale: i8) -> Option<HiveType> {
    let zeros = u8::try_from(-i16::from(scale).min(0)).ok()?;
    let precision = precision.checked_add(zeros)?;
    let scale = u8::try_from(scale.max(0)).ok()?;
    (precision <= 38 && scale <= precision).then_some(HiveType::Decimal(precision, scale))
}

/// A file's columns as those of a table, in lower case.
pub fn hive_columns(schema: &Schema) -> Result<Vec<Column>, FormatError> {
    let column = |field: &Arc<Field>| {
        let hive = hive_of(field.data_type())
            .map_err(|error| FormatError::Schema(format!("column {}: {error}", field.name())))?;
        Ok(Column::new(field.name().to_lowercase(), hive.to_string()))
    };
    schema.fields().iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_files_as_types_of_tables() {
        let list = |item| DataType::List(Arc::new(Field::new("element", item, false)));
        let pair = Fields::from(vec![
            Field::new("keys", DataType::LargeUtf8, false),
            Field::new("values", list(DataType::UInt16), true),
        ]);
        let map = DataType::Map(Arc::new(Field::new("kv", DataType::Struct(pair), false)), true);
        let inner = Fields::from(vec![
            Field::new("A b", DataType::Null, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), true),
        ]);
        for (arrow, hive) in [
            (DataType::UInt64, "decimal(20,0)"),
            (DataType::Decimal256(38, 38), "decimal(38,38)"),
            (DataType::Decimal32(5, -2), "decimal(7,0)"),
            (
                DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
                "string",
            ),
            (DataType::FixedSizeBinary(16), "binary"),
            (DataType::Date64, "date"),
            (map, "map<string,array<int>>"),
            (list(DataType::Struct(inner)), "array<struct<`a b`:string,t:timestamp>>"),
        ] {
            assert_eq!(hive_type(&arrow).expect("a type").to_string(), hive);
        }
        for arrow in [
            DataType::Decimal256(39, 0),
            DataType::Decimal128(38, -1),
            DataType::Decimal128(2, 3),
            DataType::Time32(TimeUnit::Second),
            list(DataType::Duration(TimeUnit::Second)),
        ] {
            assert!(matches!(hive_type(&arrow), Err(FormatError::Schema(_))), "{arrow}");
        }
    }

    /// What a table's column is held as is declared as the same again.
    #[test]
    fn there_and_back() {
        for text in [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(38,10)",
            "string",
            "binary",
            "date",
            "timestamp",
            "map<int,array<struct<a:map<date,string>,b:binary>>>",
        ] {
            let column = Column::new("c", text);
            let schema = arrow_schema(std::slice::from_ref(&column)).expect("a schema");
            assert_eq!(hive_columns(&schema).expect("columns"), [column]);
        }
    }
}
