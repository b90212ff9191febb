//! RecordIO-Protobuf: records for the training of SageMaker's built-in algorithms.
//!
//! A record stands behind a magic number and its length, filled up to four bytes, and is a message `Record` of
//! features and labels, each a tensor under the name `values`. Sources: SageMaker's developer guide, "Common Data
//! Formats for Training", which has the messages' definition, and dmlc-core's RecordIO, which has the framing.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, ListArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field as Column, Float32Type, Float64Type, Int32Type, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::protobuf::{Field, Fields, Malformed, Message, put_varint, take_varint};
use crate::{FormatError, Rejected};

const MAGIC: u32 = 0xced7_230a;
/// Of a length's 32 bits the highest three say which part of a record follows.
const LENGTH_BITS: u32 = 29;
const WHOLE: u32 = 0;
const FIRST_PART: u32 = 1;
const MIDDLE_PART: u32 = 2;
const LAST_PART: u32 = 3;
/// The name of the one feature, and of the one label.
const VALUES: &[u8] = b"values";
/// What a sparse tensor may become, as its shape may say anything.
const SPARSE_VALUES_MAX: u64 = 1 << 24;

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
            let why = format!("column {name} of type {} is no number", column.data_type());
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

/// RecordIO as a batch of `schema`, and the records that do not fit it, with their reasons.
///
/// Each column of numbers takes one feature, in order; a column that is a list of numbers takes all of them and must be
/// the only one but the label. Sparse tensors are filled up with zeros. Damaged framing is refused as a whole, as
/// nothing tells where the next record begins.
pub fn read_record_io(
    data: &[u8],
    schema: &SchemaRef,
    options: &RecordIoOptions,
) -> Result<(RecordBatch, Vec<Rejected>), FormatError> {
    let mut columns: Vec<Builder> = schema.fields().iter().map(|field| Builder::new(field)).collect();
    let label = match &options.label {
        None => None,
        Some(name) => Some(
            schema
                .index_of(name)
                .map_err(|_| FormatError::Schema(format!("there is no column {name} to be the label")))?,
        ),
    };
    let mut rejected = Vec::new();
    let mut rows = 0;
    for (index, record) in split(data)?.iter().enumerate() {
        let read = Record::read(record).map_err(|error| (true, error));
        let appended = read.and_then(|record| record.append(&mut columns, label).map_err(|error| (false, error)));
        match appended {
            Ok(()) => rows += 1,
            Err((malformed, message)) => rejected.push(Rejected {
                index,
                malformed,
                message,
            }),
        }
    }
    let encode = |error: arrow::error::ArrowError| FormatError::Schema(error.to_string());
    let arrays = columns.into_iter().zip(schema.fields()).map(|(column, field)| {
        let array = column.finish();
        cast_with_options(&array, field.data_type(), &CastOptions::default()).map_err(encode)
    });
    let arrays = arrays.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(encode)?;
    Ok((batch, rejected))
}

/// The records' messages. A record in parts had the magic number where it was divided.
fn split(mut data: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, FormatError> {
    let broken = |what: &str| FormatError::Decode(format!("it is not RecordIO: {what}"));
    let mut records = Vec::new();
    let mut parts: Option<Vec<u8>> = None;
    while !data.is_empty() {
        let (head, rest) = data
            .split_first_chunk::<8>()
            .ok_or_else(|| broken("a record's head is cut off"))?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if word(0) != MAGIC {
            return Err(broken("a record does not begin with the magic number"));
        }
        let (part, length) = (word(4) >> LENGTH_BITS, (word(4) & ((1 << LENGTH_BITS) - 1)) as usize);
        let record = rest.get(..length).ok_or_else(|| broken("a record is cut off"))?;
        data = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        match (part, &mut parts) {
            (WHOLE, None) => records.push(Cow::Borrowed(record)),
            (FIRST_PART, None) => parts = Some(record.to_vec()),
            (MIDDLE_PART | LAST_PART, Some(before)) => {
                before.extend_from_slice(&MAGIC.to_le_bytes());
                before.extend_from_slice(record);
                if part == LAST_PART {
                    records.push(Cow::Owned(parts.take().unwrap_or_default()));
                }
            }
            _ => return Err(broken("parts of records are mixed up")),
        }
    }
    match parts {
        None => Ok(records),
        Some(_) => Err(broken("a record's last part is missing")),
    }
}

/// The features and the label of a record, as far as they have the common name.
#[derive(Default)]
struct Record {
    features: Vec<f64>,
    label: Option<Vec<f64>>,
}

impl Record {
    fn read(message: &[u8]) -> Result<Self, String> {
        let mut record = Self::default();
        for field in Fields::of(message) {
            match field.map_err(|error| error.to_string())? {
                (1, Field::Bytes(entry)) => {
                    if let Some(values) = read_entry(entry)? {
                        record.features = values;
                    }
                }
                (2, Field::Bytes(entry)) => record.label = read_entry(entry)?.or(record.label),
                _ => {}
            }
        }
        Ok(record)
    }

    /// Appends to all columns, or to none.
    fn append(self, columns: &mut [Builder], label: Option<usize>) -> Result<(), String> {
        let is_feature = |(at, _): &(usize, &mut Builder)| Some(*at) != label;
        let wanted = columns.len() - usize::from(label.is_some());
        let whole = wanted == 1
            && columns
                .iter_mut()
                .enumerate()
                .find(is_feature)
                .is_some_and(|(_, it)| it.is_list());
        if !whole && self.features.len() != wanted {
            return Err(format!("it has {} features instead of {wanted}", self.features.len()));
        }
        if !whole
            && let Some((at, _)) = columns
                .iter_mut()
                .enumerate()
                .filter(is_feature)
                .find(|(_, it)| it.is_list())
        {
            return Err(format!("column {at} is a list beside other columns"));
        }
        if let Some(at) = label {
            let column = &mut columns[at];
            match self.label {
                Some(values) if !column.is_list() && values.len() != 1 => {
                    return Err(format!("its label has {} values", values.len()));
                }
                Some(values) => column.append(&values),
                None => column.append_null(),
            }
        }
        let mut features = columns.iter_mut().enumerate().filter(is_feature);
        if whole {
            features.for_each(|(_, column)| column.append(&self.features));
        } else {
            for ((_, column), value) in features.by_ref().zip(&self.features) {
                column.append(std::slice::from_ref(value));
            }
        }
        Ok(())
    }
}

/// The tensor of a map's entry of the common name.
fn read_entry(entry: &[u8]) -> Result<Option<Vec<f64>>, String> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    for field in Fields::of(entry) {
        match field.map_err(|error| error.to_string())? {
            (1, Field::Bytes(bytes)) => name = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    if name != VALUES {
        return Ok(None);
    }
    let mut found = None;
    for field in Fields::of(value) {
        if let (number, Field::Bytes(tensor)) = field.map_err(|error| error.to_string())?
            && let Some(kind) = TensorType::of_field(number)
        {
            found = Some(read_tensor(tensor, kind)?);
        }
    }
    found.map(Some).ok_or_else(|| "its values are no tensor".to_owned())
}

fn read_tensor(tensor: &[u8], kind: TensorType) -> Result<Vec<f64>, String> {
    let (mut values, mut keys, mut shape) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields::of(tensor) {
        let (number, field) = field.map_err(|error| error.to_string())?;
        let read = match number {
            1 => read_values(field, kind, &mut values),
            2 => read_numbers(field, &mut keys),
            3 => read_numbers(field, &mut shape),
            _ => Ok(()),
        };
        read.map_err(|error| error.to_string())?;
    }
    if keys.is_empty() {
        return Ok(values);
    }
    if keys.len() != values.len() {
        return Err(format!(
            "a sparse tensor has {} keys for {} values",
            keys.len(),
            values.len()
        ));
    }
    let all = shape.iter().try_fold(1_u64, |all, length| all.checked_mul(*length));
    let all = all.filter(|all| *all <= SPARSE_VALUES_MAX && !shape.is_empty());
    let all = all.ok_or_else(|| "a sparse tensor's shape is missing or too large".to_owned())?;
    let mut dense = vec![0.0; all as usize];
    for (key, value) in keys.into_iter().zip(values) {
        let place = usize::try_from(key).ok().and_then(|key| dense.get_mut(key));
        *place.ok_or_else(|| format!("a sparse tensor's key {key} is outside of its shape"))? = value;
    }
    Ok(dense)
}

/// Values of a repeated field, packed or one by one.
fn read_values(field: Field<'_>, kind: TensorType, out: &mut Vec<f64>) -> Result<(), Malformed> {
    match (kind, field) {
        (TensorType::Float32, Field::Bytes(packed)) => {
            let (values, rest) = packed.as_chunks::<4>();
            out.extend(values.iter().map(|value| f64::from(f32::from_le_bytes(*value))));
            if rest.is_empty() { Ok(()) } else { Err(Malformed) }
        }
        (TensorType::Float32, Field::Fixed32(value)) => {
            out.push(f32::from_le_bytes(value).into());
            Ok(())
        }
        (TensorType::Float64, Field::Bytes(packed)) => {
            let (values, rest) = packed.as_chunks::<8>();
            out.extend(values.iter().map(|value| f64::from_le_bytes(*value)));
            if rest.is_empty() { Ok(()) } else { Err(Malformed) }
        }
        (TensorType::Float64, Field::Fixed64(value)) => {
            out.push(f64::from_le_bytes(value));
            Ok(())
        }
        (TensorType::Int32, field) => {
            let mut numbers = Vec::new();
            read_numbers(field, &mut numbers)?;
            // Negative ones are written with 64 bits.
            out.extend(numbers.into_iter().map(|number| f64::from(number as i32)));
            Ok(())
        }
        _ => Err(Malformed),
    }
}

fn read_numbers(field: Field<'_>, out: &mut Vec<u64>) -> Result<(), Malformed> {
    match field {
        Field::Varint(number) => out.push(number),
        Field::Bytes(mut packed) => {
            while !packed.is_empty() {
                out.push(take_varint(&mut packed).ok_or(Malformed)?);
            }
        }
        Field::Fixed32(_) | Field::Fixed64(_) => return Err(Malformed),
    }
    Ok(())
}

/// A column of numbers, or of lists of them.
struct Builder {
    numbers: Float64Builder,
    /// Of lists.
    lengths: Option<Vec<usize>>,
    valid: Vec<bool>,
}

impl Builder {
    fn new(field: &Column) -> Self {
        let is_list = matches!(field.data_type(), DataType::List(_));
        Self {
            numbers: Float64Builder::new(),
            lengths: is_list.then(Vec::new),
            valid: Vec::new(),
        }
    }

    fn is_list(&self) -> bool {
        self.lengths.is_some()
    }

    fn append(&mut self, values: &[f64]) {
        self.numbers.append_slice(values);
        if let Some(lengths) = &mut self.lengths {
            lengths.push(values.len());
            self.valid.push(true);
        }
    }

    fn append_null(&mut self) {
        match &mut self.lengths {
            None => self.numbers.append_null(),
            Some(lengths) => {
                lengths.push(0);
                self.valid.push(false);
            }
        }
    }

    fn finish(mut self) -> ArrayRef {
        let numbers = Arc::new(self.numbers.finish());
        match self.lengths {
            None => numbers,
            Some(lengths) => {
                let item = Arc::new(Column::new("item", DataType::Float64, true));
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(ListArray::new(item, offsets, numbers, Some(self.valid.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
        let fields = columns
            .iter()
            .map(|(name, data_type)| Column::new(*name, data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn labelled() -> RecordIoOptions {
        RecordIoOptions {
            label: Some("y".to_owned()),
            ..RecordIoOptions::default()
        }
    }

    /// A record of one tensor of 32-bit floats with these fields.
    fn record(values: &[f32], keys: &[u64], shape: &[u64]) -> Vec<u8> {
        let mut tensor = Message::default();
        tensor.bytes(
            1,
            &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
        );
        tensor.packed(2, keys);
        tensor.packed(3, shape);
        let mut value = Message::default();
        value.message(2, &tensor);
        let mut entry = Message::default();
        entry.bytes(1, VALUES);
        entry.message(2, &value);
        let mut record = Message::default();
        record.message(1, &entry);
        record.as_bytes().to_vec()
    }

    fn framed(records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        records
            .iter()
            .for_each(|record| frame(record, &mut out).expect("a frame"));
        out
    }

    #[test]
    fn a_record_that_does_not_fit_leaves_its_neighbours_whole() {
        let schema = schema(&[("a", DataType::Float64), ("b", DataType::Int64)]);
        let data = framed(&[
            record(&[1.0, 2.0], &[], &[]),
            record(&[1.0], &[], &[]),
            vec![0xff],
            record(&[5.0], &[1], &[2]),
            record(&[5.0], &[2], &[2]),
            record(&[5.0], &[0], &[u64::MAX, 2]),
            record(&[5.0, 6.0], &[0], &[2]),
        ]);
        let (batch, rejected) = read_record_io(&data, &schema, &RecordIoOptions::default()).expect("reads");
        assert_eq!(batch.column(0).as_primitive::<Float64Type>().values(), &[1.0, 0.0]);
        assert_eq!(
            batch.column(1).as_primitive::<arrow::datatypes::Int64Type>().values(),
            &[2, 5]
        );
        let places: Vec<_> = rejected
            .iter()
            .map(|rejected| (rejected.index, rejected.malformed))
            .collect();
        assert_eq!(places, [(1, false), (2, true), (4, true), (5, true), (6, true)]);
    }

    #[test]
    fn parts_are_joined_and_broken_frames_refused() {
        let whole = record(&[1.0], &[], &[]);
        let (first, second) = whole.split_at(4);
        let part = |kind: u32, bytes: &[u8]| {
            let mut out = [MAGIC, kind << LENGTH_BITS | bytes.len() as u32]
                .map(u32::to_le_bytes)
                .concat();
            out.extend_from_slice(bytes);
            out.resize(out.len().next_multiple_of(4), 0);
            out
        };
        let data = [part(FIRST_PART, first), part(LAST_PART, second)].concat();
        let joined = [first, &MAGIC.to_le_bytes(), second].concat();
        assert_eq!(split(&data).expect("reads"), [Cow::<[u8]>::Owned(joined)]);
        for broken in [
            part(FIRST_PART, first),
            part(LAST_PART, first),
            framed(&[whole])[..12].to_vec(),
            vec![0; 8],
        ] {
            assert!(matches!(split(&broken), Err(FormatError::Decode(_))));
        }
    }

    #[test]
    fn columns_that_are_no_numbers_are_refused() {
        let batch = |name: &str, array: ArrayRef| RecordBatch::try_from_iter([(name, array)]).expect("a batch");
        let text = batch("t", Arc::new(arrow::array::StringArray::from(vec!["1"])));
        let refused = write_record_io(&text, &RecordIoOptions::default());
        assert!(matches!(refused, Err(FormatError::Schema(why)) if why.contains("column t")));
        let refused = write_record_io(&text.project(&[]).expect("a batch"), &labelled());
        assert!(matches!(refused, Err(FormatError::Schema(why)) if why.contains("no column y")));
        let integers = RecordIoOptions {
            tensor: TensorType::Int32,
            ..RecordIoOptions::default()
        };
        let null = batch("n", Arc::new(arrow::array::Int32Array::from(vec![Some(1), None])));
        assert!(matches!(write_record_io(&null, &integers), Err(FormatError::Decode(why)) if why.contains("row 1")));
        let large = batch("l", Arc::new(arrow::array::Int64Array::from(vec![i64::MAX])));
        assert!(matches!(
            write_record_io(&large, &integers),
            Err(FormatError::Decode(_))
        ));
    }
}
