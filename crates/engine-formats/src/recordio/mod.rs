//! RecordIO-Protobuf: records for the training of SageMaker's built-in algorithms.
//!
//! A record stands behind a magic number and its length, filled up to four bytes, and is a message `Record` of
//! features and labels, each a tensor under the name `values`. Sources: SageMaker's developer guide, "Common Data
//! Formats for Training", which has the messages' definition, and dmlc-core's RecordIO, which has the framing.

mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type};
use serde::{Deserialize, Serialize};

pub use self::read::read_record_io;
use crate::FormatError;
use crate::arrow_types::hive_name;
use crate::protobuf::{Message, put_varint};

const MAGIC: u32 = 0xced7_230a;
/// Of a length's 32 bits the highest three say which part of a record follows.
const LENGTH_BITS: u32 = 29;
/// The name of the one feature, and of the one label.
const VALUES: &[u8] = b"values";

/// What the features' tensor consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TensorType {
    /// What the built-in algorithms take.
    #[default]
    Float32,
    Float64,
    Int32,
}

impl TensorType {
    /// Its field in the message `Value`.
    fn field(self) -> u32 {
        match self {
            Self::Float32 => 2,
            Self::Float64 => 3,
            Self::Int32 => 7,
        }
    }

    fn of_field(field: u32) -> Option<Self> {
        [Self::Float32, Self::Float64, Self::Int32]
            .into_iter()
            .find(|tensor| tensor.field() == field)
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Int32 => DataType::Int32,
        }
    }

    /// A packed list's item.
    fn put(self, values: &ArrayRef, at: usize, out: &mut Vec<u8>) {
        let missing = values.is_null(at);
        match self {
            Self::Float32 => {
                let value = if missing {
                    f32::NAN
                } else {
                    values.as_primitive::<Float32Type>().value(at)
                };
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Float64 => {
                let value = if missing {
                    f64::NAN
                } else {
                    values.as_primitive::<Float64Type>().value(at)
                };
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Int32 => {
                let value = values.as_primitive::<Int32Type>().value(at);
                put_varint(out, i64::from(value).cast_unsigned());
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordIoOptions {
    /// The column that is the label, if there is one. All others are features, in their order.
    pub label: Option<String>,
    pub tensor: TensorType,
}

/// A batch as RecordIO, one record a row.
///
/// Columns are numbers, booleans (0 and 1) or lists of them, which give as many features as they have items. A feature
/// that is NULL is written as "not a number", which tensors of integers do not have: there it is refused, as are
/// columns of other types and numbers that do not fit. A record without a label has none.
pub fn write_record_io(batch: &RecordBatch, options: &RecordIoOptions) -> Result<Vec<u8>, FormatError> {
    let mut label = None;
    let mut features = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let numbers = Numbers::of(field.name(), column, options.tensor)?;
        if options.label.as_ref() == Some(field.name()) {
            label = Some(numbers);
        } else {
            features.push(numbers);
        }
    }
    if let (Some(name), None) = (&options.label, &label) {
        return Err(FormatError::Schema(format!(
            "there is no column {name} to be the label"
        )));
    }
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        let mut record = Message::default();
        let mut values = Vec::new();
        for column in &features {
            column.put(row, options.tensor, &mut values)?;
        }
        record.message(1, &entry(options.tensor, &values));
        if let Some(label) = label.as_ref().filter(|label| label.is_there(row)) {
            values.clear();
            label.put(row, options.tensor, &mut values)?;
            record.message(2, &entry(options.tensor, &values));
        }
        frame(record.as_bytes(), &mut out)?;
    }
    Ok(out)
}

/// A map's entry: the name and the `Value` with its tensor.
fn entry(tensor: TensorType, values: &[u8]) -> Message {
    let mut dense = Message::default();
    if !values.is_empty() {
        dense.bytes(1, values);
    }
    let mut value = Message::default();
    value.message(tensor.field(), &dense);
    let mut entry = Message::default();
    entry.bytes(1, VALUES);
    entry.message(2, &value);
    entry
}

fn frame(record: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let length = u32::try_from(record.len())
        .ok()
        .filter(|length| length >> LENGTH_BITS == 0);
    let length = length.ok_or_else(|| FormatError::Encode("a record of 512 MiB or more".to_owned()))?;
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(record);
    out.resize(out.len().next_multiple_of(4), 0);
    Ok(())
}

/// A column as the tensor's numbers.
struct Numbers {
    name: String,
    column: ArrayRef,
    /// Of lists, where each begins and ends among the numbers.
    offsets: Option<OffsetBuffer<i32>>,
    numbers: ArrayRef,
}

impl Numbers {
    fn of(name: &str, column: &ArrayRef, tensor: TensorType) -> Result<Self, FormatError> {
        let (offsets, numbers) = match column.as_list_opt::<i32>() {
            Some(list) => (Some(list.offsets().clone()), list.values()),
            None => (None, column),
        };
        let data_type = numbers.data_type();
        if !data_type.is_numeric() && *data_type != DataType::Boolean {
            let why = format!("column {name} of type {} is no number", hive_name(column.data_type()));
            return Err(FormatError::Schema(why));
        }
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let numbers = cast_with_options(numbers, &tensor.data_type(), &strict);
        Ok(Self {
            name: name.to_owned(),
            column: Arc::clone(column),
            offsets,
            numbers: numbers.map_err(|error| FormatError::Decode(format!("column {name}: {error}")))?,
        })
    }

    fn is_there(&self, row: usize) -> bool {
        self.column.is_valid(row)
    }

    fn put(&self, row: usize, tensor: TensorType, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let places = match &self.offsets {
            None => row..row + 1,
            Some(_) if !self.is_there(row) => 0..0,
            Some(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
        };
        for at in places {
            if tensor == TensorType::Int32 && self.numbers.is_null(at) {
                let why = format!(
                    "column {} has no value in row {row}, which a tensor of integers must have",
                    self.name
                );
                return Err(FormatError::Decode(why));
            }
            tensor.put(&self.numbers, at, out);
        }
        Ok(())
    }
}
