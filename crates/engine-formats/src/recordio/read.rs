//! Records to columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, ListArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field as Column, SchemaRef};

use super::{LENGTH_BITS, MAGIC, RecordIoOptions, TensorType, VALUES};
use crate::protobuf::{Field, Fields, Malformed, take_varint};
use crate::{FormatError, Rejected};

/// What a length's highest bits say of the record.
const WHOLE: u32 = 0;
pub(super) const FIRST_PART: u32 = 1;
const MIDDLE_PART: u32 = 2;
pub(super) const LAST_PART: u32 = 3;
/// What a sparse tensor may become, as its shape may say anything.
const SPARSE_VALUES_MAX: u64 = 1 << 24;

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
pub(super) fn split(mut data: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, FormatError> {
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
