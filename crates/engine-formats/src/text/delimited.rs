//! Hive's LazySimpleSerDe: fields between delimiters, and items and keys between delimiters of their own.
//!
//! Source: Apache Hive, classes LazySerDeParameters and LazyUtils.

use arrow::array::RecordBatch;
use memchr::memmem;

use super::cells::Cells;
use super::{Delimiter, Row};
use crate::FormatError;

/// The SerDe's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Delimited {
    pub field: Delimiter,
    pub item: Delimiter,
    pub key: Delimiter,
    /// What takes the meaning from the sign behind it.
    pub escape: Option<Delimiter>,
    /// What stands for NULL.
    pub null: String,
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
        }
    }
}

/// Deeper levels have delimiters that cannot be chosen.
const DEEPER: [&[u8]; 5] = [&[4], &[5], &[6], &[7], &[8]];

impl Delimited {
    /// What stands between the parts of a value, level by level.
    fn nested(&self, utf8: bool) -> [&[u8]; 7] {
        let [fourth, fifth, sixth, seventh, eighth] = DEEPER;
        let (item, key) = (self.item.bytes(utf8), self.key.bytes(utf8));
        [item, key, fourth, fifth, sixth, seventh, eighth]
    }

    /// What is not of its column's type is NULL, as the SerDe has it.
    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) {
        // Most delimiters are the same in every line, which then need not be looked at beforehand.
        let mut delimiters = [&self.field, &self.item, &self.key].into_iter().chain(&self.escape);
        let utf8 = delimiters.all(Delimiter::is_plain) || std::str::from_utf8(record).is_ok();
        let (separator, nested) = (self.field.bytes(utf8), self.nested(utf8));
        let escape = self.escape.as_ref().map(|escape| escape.bytes(utf8));
        let mut rest = record;
        for place in 0..row.places() {
            let end = field_end(rest, separator, escape);
            let field = &rest[..end];
            if let Some(column) = row.column(place) {
                let unescaped;
                let field = match escape {
                    Some(escape) if memmem::find(field, escape).is_some() => {
                        unescaped = unescape(field, escape);
                        unescaped.as_slice()
                    }
                    _ => field,
                };
                let before = column.rows();
                if column.append_delimited(field, &nested, &self.null).is_err() {
                    column.truncate(before);
                    column.append_null();
                }
            }
            if end == rest.len() {
                return;
            }
            rest = &rest[end + separator.len()..];
        }
    }
}

fn field_end(text: &[u8], separator: &[u8], escape: Option<&[u8]>) -> usize {
    let Some(escape) = escape else {
        return memmem::find(text, separator).unwrap_or(text.len());
    };
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(escape) {
            at += escape.len() + 1;
        } else if rest.starts_with(separator) {
            return at;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Takes the escapes out. Line ends are written as letters behind the escape.
fn unescape(field: &[u8], escape: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        match rest.strip_prefix(escape).and_then(<[u8]>::split_first) {
            Some((escaped, after)) => {
                plain.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    other => *other,
                });
                rest = after;
            }
            None => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
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
    nested: [&'f [u8]; 7],
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
