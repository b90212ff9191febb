//! JSON records to Arrow batches, as Firehose's two JSON deserializers read them, one bad record at a time.

mod cursor;
mod documents;
mod fault;
mod keys;
mod number;
mod options;
#[cfg(test)]
mod tests;
mod text;
mod value;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::cursor::{Cursor, Kind};
pub use self::documents::Documents;
use self::fault::{Expected, Fault, Refused};
pub(crate) use self::keys::KeyTable;
pub use self::options::{Coercion, JsonOptions};
use crate::column::{ColumnBuilder, StructBuilder};
use crate::decoding::{push_each, take_batch};
use crate::{FormatError, Refusal, Rejected};

/// Decodes records of JSON objects to batches of one schema. Rows are collected until [`Self::finish`]; a record that
/// is refused leaves nothing behind.
pub struct JsonDecoder {
    schema: SchemaRef,
    options: JsonOptions,
    row: StructBuilder,
    rows: usize,
}

impl JsonDecoder {
    /// The schema's types must be those that [`ColumnBuilder`] takes.
    #[must_use]
    pub fn new(schema: SchemaRef, options: JsonOptions) -> Self {
        Self {
            row: StructBuilder::new(schema.fields(), &options, false),
            options,
            schema,
            rows: 0,
        }
    }

    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are that were not yet taken by [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the record, which must be one JSON object, as a row.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Refusal> {
        self.push_objects(record, 1)
    }

    /// Appends the record's objects as rows: one or more, one behind the other, with blanks or line ends between them
    /// or without, all or none. Returns how many they were.
    ///
    /// Source: Amazon Data Firehose Developer Guide, "Convert input data format in Amazon Data Firehose": a record
    /// may hold `{"a":1}{"a":2}`, and an array of objects is not valid input.
    pub fn push_documents(&mut self, record: &[u8]) -> Result<usize, Refusal> {
        let before = self.rows;
        self.push_objects(record, usize::MAX)?;
        Ok(self.rows - before)
    }

    /// Appends a row of NULLs.
    pub fn push_null(&mut self) {
        self.row.columns.iter_mut().for_each(ColumnBuilder::append_null);
        self.rows += 1;
    }

    /// The rows so far as a batch; the decoder is empty afterwards.
    pub fn finish(&mut self) -> Result<RecordBatch, FormatError> {
        take_batch(&self.schema, &mut self.row.columns, std::mem::take(&mut self.rows))
    }

    /// The good ones of records of one object each as a batch, in order, and the others with their reasons.
    pub fn decode(&mut self, records: &[&[u8]]) -> Result<(RecordBatch, Vec<Rejected>), FormatError> {
        let rejected = push_each(records, |record| self.push(record));
        Ok((self.finish()?, rejected))
    }

    /// Appends the record's objects, of which there may be at most so many.
    #[inline]
    fn push_objects(&mut self, record: &[u8], objects_max: usize) -> Result<(), Refusal> {
        let before = self.rows;
        self.append_objects(record, objects_max).map_err(|fault| {
            self.rows = before;
            self.row.columns.iter_mut().for_each(|column| column.truncate(before));
            Refusal {
                // Behind a value that does not fit, the text need not be JSON.
                malformed: fault.is_malformed() || !is_json(record, objects_max),
                message: fault.to_string(),
            }
        })
    }

    #[inline]
    fn append_objects(&mut self, record: &[u8], objects_max: usize) -> Result<(), Refused> {
        let text = simdutf8::basic::from_utf8(record).map_err(|_| not_utf8(record))?;
        let mut cursor = Cursor::new(text);
        for _ in 0..objects_max {
            if cursor.kind()? != Kind::Object {
                let found = value::found(&mut cursor)?;
                return Err(Fault::mismatch(Expected::Row, found));
            }
            value::append_members(&mut self.row, &mut cursor, &self.options)?;
            self.rows += 1;
            if cursor.is_at_end() {
                return Ok(());
            }
        }
        Err(cursor.expected("nothing behind the object"))
    }
}

#[cold]
fn not_utf8(record: &[u8]) -> Refused {
    let at = std::str::from_utf8(record).map_or_else(|error| error.valid_up_to(), str::len);
    Box::new(Fault::NotUtf8 { at })
}

/// Whether a text is JSON values, one behind the other, and at most so many.
fn is_json(text: &[u8], values_max: usize) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let mut cursor = Cursor::new(text);
    for _ in 0..values_max {
        if cursor.pass_value().is_err() {
            return false;
        }
        if cursor.is_at_end() {
            return true;
        }
    }
    false
}
