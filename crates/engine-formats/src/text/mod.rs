//! Records of one line of text each: to Arrow batches, one bad record at a time, and back.

mod cells;
mod charset;
mod delimited;
mod delimiter;
mod grok;
mod grok_patterns;
mod java;
mod json_lines;
mod matched;
mod quoted;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

pub use self::charset::Charset;
pub use self::delimited::{Delimited, write_delimited};
pub use self::delimiter::Delimiter;
pub use self::grok::Grok;
pub use self::json_lines::{JsonLines, write_json_lines};
use self::matched::Matcher;
pub use self::matched::{Regex, Unmatched};
pub use self::quoted::{Quoted, write_quoted};
use crate::decoding::{push_each, take_batch};
use crate::{ColumnBuilder, FormatError, Mismatch, Refusal, Rejected};

/// So much of a value stands in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// How the columns stand in a record.
#[derive(Debug, Clone, PartialEq)]
pub enum TextFormat {
    /// Hive's LazySimpleSerDe.
    Delimited(Delimited),
    /// Hive's OpenCSVSerde.
    Quoted(Quoted),
    /// Hive's RegexSerDe.
    Regex(Regex),
    /// Glue's GrokSerDe.
    Grok(Grok),
}

/// Decodes lines without their ends. Rows are collected until [`Self::finish`]; a record that is refused leaves nothing
/// behind.
pub struct TextDecoder {
    format: Prepared,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    /// Of each place in a record, the column that it goes to.
    by_place: Vec<Option<usize>>,
    rows: usize,
}

/// A format with its patterns compiled.
enum Prepared {
    Delimited(Delimited),
    Quoted(Quoted),
    Matched(Matcher),
}

impl TextDecoder {
    /// For records of all the schema's columns. Its types must be those that [`ColumnBuilder`] takes. A pattern that is
    /// none is refused as [`FormatError::Pattern`], and types that nest too deep as [`FormatError::Schema`].
    pub fn new(format: TextFormat, schema: SchemaRef) -> Result<Self, FormatError> {
        let record = schema.clone();
        Self::projected(format, schema, &record)
    }

    /// For the columns of `schema` out of the records' own, `record`.
    pub fn projected(format: TextFormat, schema: SchemaRef, record: &Schema) -> Result<Self, FormatError> {
        let format = match format {
            TextFormat::Delimited(delimited) => {
                delimited.check(record)?;
                Prepared::Delimited(delimited)
            }
            TextFormat::Quoted(quoted) => Prepared::Quoted(quoted),
            TextFormat::Regex(regex) => Prepared::Matched(Matcher::of_regex(&regex, record)?),
            TextFormat::Grok(grok) => Prepared::Matched(Matcher::of_grok(&grok, record)?),
        };
        let column = |name: &str| schema.fields().iter().position(|field| field.name() == name);
        Ok(Self {
            format,
            columns: schema
                .fields()
                .iter()
                .map(|field| ColumnBuilder::new(field.data_type()))
                .collect(),
            by_place: record.fields().iter().map(|field| column(field.name())).collect(),
            schema,
            rows: 0,
        })
    }

    /// How many rows there are that were not yet taken by [`Self::finish`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a record as a row.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Refusal> {
        let mut row = Row {
            schema: &self.schema,
            columns: &mut self.columns,
            by_place: &self.by_place,
        };
        let pushed = match &self.format {
            Prepared::Delimited(delimited) => {
                delimited.read(record, &mut row);
                Ok(())
            }
            Prepared::Quoted(quoted) => quoted.read(record, &mut row),
            Prepared::Matched(matcher) => matcher.read(record, &mut row),
        };
        match pushed {
            Ok(()) => {
                // What a record lacks is NULL.
                let lacking = self.columns.iter_mut().filter(|column| column.rows() == self.rows);
                lacking.for_each(ColumnBuilder::append_null);
                self.rows += 1;
            }
            Err(_) => self.columns.iter_mut().for_each(|column| column.truncate(self.rows)),
        }
        pushed
    }

    /// The rows so far as a batch; the decoder is empty afterwards.
    pub fn finish(&mut self) -> Result<RecordBatch, FormatError> {
        take_batch(&self.schema, &mut self.columns, std::mem::take(&mut self.rows))
    }

    /// The good ones of the records as a batch, in order, and the others with their reasons.
    pub fn decode(&mut self, records: &[&[u8]]) -> Result<(RecordBatch, Vec<Rejected>), FormatError> {
        let rejected = push_each(records, |record| self.push(record));
        Ok((self.finish()?, rejected))
    }
}

/// A record on its way into the columns.
struct Row<'d> {
    schema: &'d Schema,
    columns: &'d mut [ColumnBuilder],
    by_place: &'d [Option<usize>],
}

impl Row<'_> {
    /// How many places of a record there are.
    fn places(&self) -> usize {
        self.by_place.len()
    }

    /// The column that a place goes to, if it is wanted.
    fn column(&mut self, place: usize) -> Option<&mut ColumnBuilder> {
        let column = self.by_place.get(place).copied().flatten()?;
        self.columns.get_mut(column)
    }

    /// Appends `text` as `append` does. Where it cannot, the column has no value, and the refusal says so.
    fn append(
        &mut self,
        place: usize,
        text: &str,
        append: impl FnOnce(&mut ColumnBuilder) -> Result<(), Mismatch>,
    ) -> Result<(), Refusal> {
        let Some(column) = self.by_place.get(place).copied().flatten() else {
            return Ok(());
        };
        let Some(builder) = self.columns.get_mut(column) else {
            return Ok(());
        };
        append(builder).map_err(|_| {
            let name = self.schema.field(column).name();
            let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            Refusal {
                malformed: false,
                message: format!("Error parsing field value '{shown}' for field {place} ({name})"),
            }
        })
    }
}

/// Appends a value as Java's classes read it, which take no blanks around whole numbers.
fn append_value(column: &mut ColumnBuilder, text: &str) -> Result<(), Mismatch> {
    match column {
        ColumnBuilder::Int8(_) | ColumnBuilder::Int16(_) | ColumnBuilder::Int32(_) | ColumnBuilder::Int64(_) => {
            column.append_integer(text)
        }
        other => other.append_text(text),
    }
}

/// Bytes as text; what is not UTF-8 becomes replacement characters.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
