//! Values of simple types on their way into Arrow arrays. Unlike Arrow's own builders these can be cut back, so that
//! a record that turns out to be bad leaves nothing behind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BinaryViewArray, BooleanArray, BooleanBufferBuilder, NullArray,
    NullBufferBuilder, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::Mismatch;

/// Numbers, and what Arrow holds as numbers: dates, timestamps, decimals.
pub struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    valid: NullBufferBuilder,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self {
            values: Vec::new(),
            valid: NullBufferBuilder::new(0),
            data_type: data_type.clone(),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        self.data_type.clone()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T::Native) {
        self.values.push(value);
        self.valid.append_non_null();
    }

    pub(super) fn push_null(&mut self) {
        self.values.push(T::default_value());
        self.valid.append_null();
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.truncate(rows);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let values = next_of_same_size(&mut self.values);
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), self.valid.finish());
        Arc::new(array.with_data_type(self.data_type.clone()))
    }
}

pub struct Booleans {
    values: BooleanBufferBuilder,
    valid: NullBufferBuilder,
}

impl Booleans {
    pub(super) fn new() -> Self {
        Self {
            values: BooleanBufferBuilder::new(0),
            valid: NullBufferBuilder::new(0),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    #[inline]
    pub(crate) fn push(&mut self, value: bool) {
        self.values.append(value);
        self.valid.append_non_null();
    }

    pub(super) fn push_null(&mut self) {
        self.values.append(false);
        self.valid.append_null();
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        if rows < self.values.len() {
            self.values.truncate(rows);
            self.valid.truncate(rows);
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(BooleanArray::new(self.values.finish(), self.valid.finish()))
    }
}

/// Which of Arrow's types a [`Texts`] becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum TextKind {
    Text,
    TextView,
    Binary,
    BinaryView,
}

/// Texts or byte strings, one behind the other.
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends, behind a first 0.
    ends: Vec<i32>,
    valid: NullBufferBuilder,
    kind: TextKind,
}

impl Texts {
    pub(super) fn new(kind: TextKind) -> Self {
        Self {
            bytes: Vec::new(),
            ends: vec![0],
            valid: NullBufferBuilder::new(0),
            kind,
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        match self.kind {
            TextKind::Text => DataType::Utf8,
            TextKind::TextView => DataType::Utf8View,
            TextKind::Binary => DataType::Binary,
            TextKind::BinaryView => DataType::BinaryView,
        }
    }

    /// Appends a text. The bytes must be UTF-8 where the column is one of texts. What no longer fits into the
    /// 2 GiB that a column can hold is refused.
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), Mismatch> {
        self.bytes.extend_from_slice(text);
        self.close()
    }

    /// The bytes behind the last text, to be written to before [`Self::close`].
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Makes a text of what was written since the last one.
    #[inline]
    pub(crate) fn close(&mut self) -> Result<(), Mismatch> {
        let end = i32::try_from(self.bytes.len()).map_err(|_| Mismatch)?;
        self.ends.push(end);
        self.valid.append_non_null();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(self.end_of(self.len()) as i32);
        self.valid.append_null();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    fn end_of(&self, rows: usize) -> usize {
        self.ends.get(rows).map_or(0, |end| *end as usize)
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        let rows = rows.min(self.len());
        self.ends.truncate(rows + 1);
        self.valid.truncate(rows);
        // Also what was written and not closed.
        self.bytes.truncate(self.end_of(rows));
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let bytes = Buffer::from_vec(next_of_same_size(&mut self.bytes));
        let ends = next_of_same_size(&mut self.ends);
        self.ends.push(0);
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        let valid = self.valid.finish();
        match self.kind {
            TextKind::Text => Arc::new(StringArray::new(ends, bytes, valid)),
            TextKind::TextView => Arc::new(StringViewArray::from(&StringArray::new(ends, bytes, valid))),
            TextKind::Binary => Arc::new(BinaryArray::new(ends, bytes, valid)),
            TextKind::BinaryView => Arc::new(BinaryViewArray::from(&BinaryArray::new(ends, bytes, valid))),
        }
    }
}

/// Where each list ends among the items, and which lists are NULL.
pub(crate) struct Ends {
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

impl Ends {
    pub(super) fn new() -> Self {
        Self {
            ends: vec![0],
            valid: NullBufferBuilder::new(0),
        }
    }

    /// Appends a list that takes the items up to `items`.
    #[inline]
    pub(crate) fn push(&mut self, items: usize) -> Result<(), Mismatch> {
        self.ends.push(i32::try_from(items).map_err(|_| Mismatch)?);
        self.valid.append_non_null();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(self.last() as i32);
        self.valid.append_null();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// How many items the lists so far have together.
    pub(crate) fn last(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows + 1);
        self.valid.truncate(rows);
    }

    pub(super) fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let ends = next_of_same_size(&mut self.ends);
        self.ends.push(0);
        (OffsetBuffer::new(ScalarBuffer::from(ends)), self.valid.finish())
    }
}

/// A column of a type that text cannot hold.
#[derive(Default)]
pub struct Nulls(usize);

impl Nulls {
    pub(super) fn data_type(&self) -> DataType {
        DataType::Null
    }

    pub(super) fn push_null(&mut self) {
        self.0 += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.0
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.0 = self.0.min(rows);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(NullArray::new(std::mem::take(&mut self.0)))
    }
}

/// Takes the values and leaves room for as many: batches of one stream are of a size.
fn next_of_same_size<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next)
}
