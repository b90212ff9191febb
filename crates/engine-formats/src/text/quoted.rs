//! Hive's OpenCSVSerde: fields between separators, and quotes around those that hold one.
//!
//! Source: Apache Hive, class OpenCSVSerde, and opencsv 2.3.

use arrow::array::RecordBatch;

use super::cells::Cells;
use super::{Delimiter, Row, text};
use crate::{FormatError, Refusal};

/// The SerDe's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Quoted {
    pub separator: Delimiter,
    pub quote: Delimiter,
    /// What takes the meaning from a quote behind it. A doubled quote is one also without it.
    pub escape: Delimiter,
}

impl Default for Quoted {
    /// The SerDe's own: a comma, double quotes and a backslash.
    fn default() -> Self {
        Self {
            separator: b','.into(),
            quote: b'"'.into(),
            escape: b'\\'.into(),
        }
    }
}

impl Quoted {
    /// The three signs in text that is UTF-8, as which the SerDe reads lines.
    fn signs(&self) -> [&[u8]; 3] {
        [&self.separator, &self.quote, &self.escape].map(|sign| sign.bytes(true))
    }

    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) -> Result<(), Refusal> {
        let record = text(record);
        let mut rest = record.as_bytes();
        let mut field = Vec::new();
        for place in 0..row.places() {
            field.clear();
            let (more, after) = read_field(rest, &mut field, self.signs());
            rest = after;
            row.append_text(place, &text(&field))?;
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// One field: quotes may stand anywhere, a doubled quote within quotes is one quote. Returns whether a separator
/// followed, and what is behind it.
fn read_field<'l>(text: &'l [u8], field: &mut Vec<u8>, signs: [&[u8]; 3]) -> (bool, &'l [u8]) {
    let [separator, quote, escape] = signs;
    let mut quoted = false;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = rest
            .strip_prefix(escape)
            .filter(|next| quoted && (next.starts_with(quote) || next.starts_with(escape)));
        if let Some(next) = escaped {
            let sign = if next.starts_with(quote) { quote } else { escape };
            field.extend_from_slice(sign);
            rest = &next[sign.len()..];
        } else if let Some(next) = rest.strip_prefix(quote) {
            match next.strip_prefix(quote).filter(|_| quoted) {
                Some(next) => {
                    field.extend_from_slice(quote);
                    rest = next;
                }
                None => {
                    quoted = !quoted;
                    rest = next;
                }
            }
        } else if let Some(next) = rest.strip_prefix(separator).filter(|_| !quoted) {
            return (true, next);
        } else {
            field.push(*byte);
            rest = after;
        }
    }
    (false, &[])
}

/// The batch's rows as lines, every value in quotes as the SerDe writes them; NULL is nothing at all. Where the escape
/// is the quote itself, quotes are doubled, as RFC 4180 has it. Lists, maps and structures are refused: the SerDe has
/// none.
pub fn write_quoted(batch: &RecordBatch, format: &Quoted) -> Result<Vec<u8>, FormatError> {
    let columns: Vec<Cells> = batch.columns().iter().map(Cells::of).collect::<Result<_, _>>()?;
    if let Some(at) = columns.iter().position(Cells::is_nested) {
        let name = batch.schema().field(at).name().clone();
        return Err(FormatError::Schema(format!(
            "column {name} is nested, which CSV cannot hold"
        )));
    }
    let [separator, quote, escape] = format.signs();
    let mut out = Vec::new();
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(separator);
            }
            if column.is_null(row) {
                continue;
            }
            value.clear();
            column.put_text(row, &mut value)?;
            out.extend_from_slice(quote);
            let mut rest = value.as_bytes();
            while let Some((byte, after)) = rest.split_first() {
                if rest.starts_with(quote) || rest.starts_with(escape) {
                    out.extend_from_slice(escape);
                }
                out.push(*byte);
                rest = after;
            }
            out.extend_from_slice(quote);
        }
        out.push(b'\n');
    }
    Ok(out)
}
