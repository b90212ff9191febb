//! Values of Arrow arrays, whatever the array's type: what is written and what is read compare as these.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    /// By their bits, so that what is no number equals itself.
    Float(u32),
    Double(u64),
    Decimal(i128, i8),
    Text(String),
    Binary(Vec<u8>),
    Date(i32),
    /// Nanoseconds since 1970.
    Timestamp(i128),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<Value>),
}

/// All rows of all batches.
pub(crate) fn rows<'b>(batches: impl IntoIterator<Item = &'b RecordBatch>) -> Vec<Vec<Value>> {
    let row = |batch: &RecordBatch, row| batch.columns().iter().map(|column| value(column, row)).collect();
    batches
        .into_iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at)))
        .collect()
}

pub(crate) fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let list = |items: ArrayRef| (0..items.len()).map(|at| value(&items, at)).collect();
    match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Value::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Value::Integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            Value::Float(if value.is_nan() { f32::NAN } else { value }.to_bits())
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            Value::Double(if value.is_nan() { f64::NAN } else { value }.to_bits())
        }
        DataType::Decimal128(_, scale) => Value::Decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Utf8View => Value::Text(array.as_string_view().value(row).to_owned()),
        DataType::Binary => Value::Binary(array.as_binary::<i32>().value(row).to_owned()),
        DataType::BinaryView => Value::Binary(array.as_binary_view().value(row).to_owned()),
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Value::Timestamp(i128::from(array.as_primitive::<TimestampMicrosecondType>().value(row)) * 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Value::Timestamp(array.as_primitive::<TimestampNanosecondType>().value(row).into())
        }
        DataType::List(_) => Value::List(list(array.as_list::<i32>().value(row))),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            Value::Map(
                (0..entries.len())
                    .map(|at| (value(keys, at), value(values, at)))
                    .collect(),
            )
        }
        DataType::Struct(_) => Value::Struct(
            array
                .as_struct()
                .columns()
                .iter()
                .map(|field| value(field, row))
                .collect(),
        ),
        other => panic!("no value of {other}"),
    }
}
