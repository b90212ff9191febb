//! Hive's LazySimpleSerDe: fields between delimiters, and items and keys between delimiters of their own.
//!
//! Source: Apache Hive, classes LazySerDeParameters and LazyUtils.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::cells::Cells;
use super::{Charset, Delimiter, Row};
use crate::FormatError;
use crate::column::Signs;

/// The SerDe's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Delimited {
    pub field: Delimiter,
    pub item: Delimiter,
    pub key: Delimiter,
    /// What takes the meaning from the sign behind it.
    pub escape: Option<Delimiter>,
    /// What stands for NULL (`serialization.null.format`).
    pub null: String,
    /// Whether the last column takes what is left of a line, delimiters and all, and the last member of a structure
    /// likewise (`serialization.last.column.takes.rest`).
    pub last_takes_rest: bool,
    /// What lines are written in (`serialization.encoding`), if that is not UTF-8.
    pub charset: Option<Charset>,
}

impl Default for Delimited {
    /// The SerDe's own: the control characters 1, 2 and 3, no escapes, and `\N`.
    fn default() -> Self {
        Self {
            field: 1_u8.into(),
            item: 2_u8.into(),
            key: 3_u8.into(),
            escape: None,
            null: "\\N".to_owned(),
            last_takes_rest: false,
            charset: None,
        }
    }
}

/// Deeper levels have delimiters that cannot be chosen.
const DEEPER: [&[u8]; 5] = [&[4], &[5], &[6], &[7], &[8]];
/// How many levels there are below the fields'.
const NESTED_LEVELS: usize = 2 + DEEPER.len();

impl Delimited {
    /// What stands between the parts of a value, level by level.
    fn nested(&self, utf8: bool) -> [&[u8]; NESTED_LEVELS] {
        let [fourth, fifth, sixth, seventh, eighth] = DEEPER;
        let (item, key) = (self.item.bytes(utf8), self.key.bytes(utf8));
        [item, key, fourth, fifth, sixth, seventh, eighth]
    }

    /// Columns whose types nest deeper than there are delimiters are refused as [`FormatError::Schema`].
    pub(super) fn check(&self, record: &Schema) -> Result<(), FormatError> {
        let deep = record
            .fields()
            .iter()
            .find(|field| depth(field.data_type()) > NESTED_LEVELS);
        deep.map_or(Ok(()), |field| {
            let name = field.name();
            let levels = 1 + NESTED_LEVELS;
            Err(FormatError::Schema(format!(
                "column {name} nests deeper than the {levels} levels that have delimiters"
            )))
        })
    }

    /// What is not of its column's type is NULL, as the SerDe has it.
    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) {
        if let Some(charset) = &self.charset {
            return self.read_fields(charset.decode(record).as_bytes(), true, row);
        }
        // Most delimiters are the same in every line, which then need not be looked at beforehand.
        let mut delimiters = [&self.field, &self.item, &self.key].into_iter().chain(&self.escape);
        let utf8 = delimiters.all(Delimiter::is_plain) || std::str::from_utf8(record).is_ok();
        self.read_fields(record, utf8, row);
    }

    fn read_fields(&self, record: &[u8], utf8: bool, row: &mut Row<'_>) {
        let separator = self.field.bytes(utf8);
        let signs = Signs {
            separators: &self.nested(utf8),
            escape: self.escape.as_ref().map(|escape| escape.bytes(utf8)),
            null: self.null.as_bytes(),
            last_takes_rest: self.last_takes_rest,
        };
        let mut rest = record;
        for place in 0..row.places() {
            let whole = self.last_takes_rest && place + 1 == row.places();
            let end = if whole { None } else { signs.find(rest, separator) };
            if let Some(column) = row.column(place) {
                column.append_delimited(&rest[..end.unwrap_or(rest.len())], signs);
            }
            match end {
                Some(end) => rest = &rest[end + separator.len()..],
                None => return,
            }
        }
    }
}

/// How many levels of delimiters a value takes.
fn depth(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => 1 + depth(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => 2 + pair.iter().map(|part| depth(part.data_type())).max().unwrap_or(0),
            _ => 2,
        },
        DataType::Struct(fields) => 1 + fields.iter().map(|field| depth(field.data_type())).max().unwrap_or(0),
        _ => 0,
    }
}

/// The batch's rows as lines, as the SerDe writes them. Without an escape, texts that hold a delimiter or a line end
/// read as something else, as they do with the SerDe.
pub fn write_delimited(batch: &RecordBatch, format: &Delimited) -> Result<Vec<u8>, FormatError> {
    let columns: Vec<Cells> = batch.columns().iter().map(Cells::of).collect::<Result<_, _>>()?;
    let separator = format.field.bytes(true);
    let escape = format.escape.as_ref().map(|escape| escape.bytes(true));
    let writer = Writer {
        nested: format.nested(true),
        escapes: Escapes {
            escape,
            signs: escape.map_or_else(Vec::new, |escape| {
                [separator, escape].into_iter().chain(format.nested(true)).collect()
            }),
        },
        null: &format.null,
    };
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(separator);
            }
            writer.put(column, row, 0, &mut out)?;
        }
        out.push(b'\n');
    }
    Ok(out)
}

struct Writer<'f> {
    nested: [&'f [u8]; NESTED_LEVELS],
    escapes: Escapes<'f>,
    null: &'f str,
}

impl Writer<'_> {
    fn put(&self, cells: &Cells, row: usize, level: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if cells.is_null(row) {
            out.extend_from_slice(self.null.as_bytes());
            return Ok(());
        }
        let separator = |level: usize| {
            let too_deep = || FormatError::Schema("types nest deeper than there are delimiters".to_owned());
            self.nested.get(level).ok_or_else(too_deep)
        };
        match cells {
            Cells::List { items, .. } => {
                for (at, item) in cells.items(row).enumerate() {
                    if at > 0 {
                        out.extend_from_slice(separator(level)?);
                    }
                    self.put(items, item, level + 1, out)?;
                }
            }
            Cells::Map { keys, values, .. } => {
                for (at, entry) in cells.items(row).enumerate() {
                    if at > 0 {
                        out.extend_from_slice(separator(level)?);
                    }
                    self.put(keys, entry, level + 2, out)?;
                    out.extend_from_slice(separator(level + 1)?);
                    self.put(values, entry, level + 2, out)?;
                }
            }
            Cells::Struct { fields, .. } => {
                for (at, (_, field)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(separator(level)?);
                    }
                    self.put(field, row, level + 1, out)?;
                }
            }
            simple => {
                let mut text = String::new();
                simple.put_text(row, &mut text)?;
                self.escapes.put(text.as_bytes(), out);
            }
        }
        Ok(())
    }
}

/// What has an escape before it.
struct Escapes<'f> {
    escape: Option<&'f [u8]>,
    signs: Vec<&'f [u8]>,
}

impl Escapes<'_> {
    fn put(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(escape) = self.escape else {
            out.extend_from_slice(text);
            return;
        };
        for (at, byte) in text.iter().enumerate() {
            let sign = match byte {
                b'\n' => Some(b'n'),
                b'\r' => Some(b'r'),
                _ => None,
            };
            let is_sign = || self.signs.iter().any(|sign| text[at..].starts_with(sign));
            if sign.is_some() || is_sign() {
                out.extend_from_slice(escape);
            }
            out.push(sign.unwrap_or(*byte));
        }
    }
}
