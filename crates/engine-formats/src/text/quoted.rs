//! Hive's OpenCSVSerde: fields between separators, and quotes around those that hold one.
//!
//! Source: Apache Hive, class OpenCSVSerde, and opencsv 2.3.

use arrow::array::RecordBatch;
use memchr::memchr2;

use super::cells::Cells;
use super::{Row, Unmatched, append_value, text};
use crate::{ColumnBuilder, FormatError, Mismatch, Refusal};

/// The SerDe's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Quoted {
    pub separator: char,
    pub quote: char,
    /// What takes the meaning from a quote or an escape behind it. A doubled quote is one also without it.
    pub escape: char,
    /// Whether dates are days, and timestamps milliseconds, since 1970, which is how Athena reads them.
    pub unix_times: bool,
    /// What becomes of a value that is not of its column's type.
    pub invalid: Unmatched,
}

impl Default for Quoted {
    /// A comma, double quotes and a backslash, with which the SerDe reads; values that are wrong are refused.
    fn default() -> Self {
        Self {
            separator: ',',
            quote: '"',
            escape: '\\',
            unix_times: false,
            invalid: Unmatched::Refuse,
        }
    }
}

impl Quoted {
    /// A line without any sign has no field at all. Quotes that do not end take the rest of the line with them: the
    /// fields from there on are NULL, as values cannot go over the end of a line (Amazon Athena User Guide, "Open CSV
    /// SerDe for processing CSV").
    pub(super) fn read(&self, record: &[u8], row: &mut Row<'_>) -> Result<(), Refusal> {
        if record.is_empty() {
            return Ok(());
        }
        let ascii = |sign: char| u8::try_from(sign).ok().filter(u8::is_ascii);
        if let (Some(separator), Some(quote), Some(escape)) =
            (ascii(self.separator), ascii(self.quote), ascii(self.escape))
            && memchr2(quote, escape, record).is_none()
        {
            let fields = record.split(|byte| *byte == separator).take(row.places());
            return fields
                .enumerate()
                .try_for_each(|(place, field)| self.append(place, &text(field), row));
        }
        self.read_quoted(&text(record), row)
    }

    /// What opencsv's CSVParser makes of quotes and escapes, wherever they stand.
    fn read_quoted(&self, record: &str, row: &mut Row<'_>) -> Result<(), Refusal> {
        let mut field = String::new();
        let (mut in_quotes, mut in_field) = (false, false);
        let mut place = 0;
        let mut before = None;
        // In the units that Java counts in.
        let mut position = 0;
        let mut chars = record.chars().peekable();
        while let Some(sign) = chars.next() {
            let next = chars.peek().copied();
            let is_open = in_quotes || in_field;
            let mut skipped = None;
            if sign == self.escape {
                // Before anything else it is dropped.
                if let Some(escaped) = next.filter(|next| is_open && (*next == self.quote || *next == self.escape)) {
                    field.push(escaped);
                    skipped = chars.next();
                }
            } else if sign == self.quote {
                if is_open && next == Some(self.quote) {
                    field.push(self.quote);
                    skipped = chars.next();
                } else {
                    // A quote within a value is kept, except at the very beginning of a line.
                    let within = before != Some(self.separator) && next.is_some_and(|next| next != self.separator);
                    if position > 2 && within {
                        if !field.is_empty() && field.chars().all(char::is_whitespace) {
                            field.clear();
                        } else {
                            field.push(self.quote);
                        }
                    }
                    in_quotes = !in_quotes;
                }
                in_field = !in_field;
            } else if sign == self.separator && !in_quotes {
                self.append(place, &field, row)?;
                field.clear();
                in_field = false;
                place += 1;
                if place == row.places() {
                    return Ok(());
                }
            } else {
                field.push(sign);
                in_field = true;
            }
            position += sign.len_utf16() + skipped.map_or(0, char::len_utf16);
            before = skipped.or(Some(sign));
        }
        if in_quotes {
            Ok(())
        } else {
            self.append(place, &field, row)
        }
    }

    fn append(&self, place: usize, text: &str, row: &mut Row<'_>) -> Result<(), Refusal> {
        let appended = row.append(place, text, |column| {
            if self.unix_times {
                append_unix(column, text)
            } else {
                append_value(column, text)
            }
        });
        match self.invalid {
            Unmatched::Refuse => appended,
            Unmatched::Null => Ok(()),
        }
    }
}

/// Days and milliseconds since 1970 in columns of dates and timestamps.
fn append_unix(column: &mut ColumnBuilder, text: &str) -> Result<(), Mismatch> {
    match column {
        ColumnBuilder::Date(days) => days.push(text.parse().map_err(|_| Mismatch)?),
        ColumnBuilder::Timestamp(micros) => {
            let millis: i64 = text.parse().map_err(|_| Mismatch)?;
            micros.push(millis.checked_mul(1_000).ok_or(Mismatch)?);
        }
        other => return append_value(other, text),
    }
    Ok(())
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
    let mut out = String::new();
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(format.separator);
            }
            if column.is_null(row) {
                continue;
            }
            value.clear();
            column.put_text(row, &mut value)?;
            out.push(format.quote);
            for sign in value.chars() {
                if sign == format.quote || sign == format.escape {
                    out.push(format.escape);
                }
                out.push(sign);
            }
            out.push(format.quote);
        }
        out.push('\n');
    }
    Ok(out.into_bytes())
}
