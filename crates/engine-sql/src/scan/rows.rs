//! Lines to record batches.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use engine_formats::{ColumnBuilder, JsonDecoder};
use memchr::memmem;

use super::delimiter::{Delimiter, text};
use super::format::RowFormat;
use crate::{ErrorKind, SqlError};

/// Decodes the projected columns of lines.
pub(super) struct RowDecoder {
    format: RowFormat,
    schema: SchemaRef,
    /// Has the rows of a format of JSON; the columns have those of the others.
    json: Option<JsonDecoder>,
    columns: Vec<ColumnBuilder>,
    /// Of each projected column, its place in the file's rows.
    places: Vec<usize>,
    /// Of each place in the file's rows, the projected column.
    by_place: Vec<Option<usize>>,
    rows: usize,
}

impl RowDecoder {
    /// `schema` holds the columns to decode and `file_schema` all that a row has.
    pub(super) fn new(format: RowFormat, schema: SchemaRef, file_schema: &SchemaRef) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| ColumnBuilder::new(field.data_type()))
            .collect();
        let place = |name: &str| {
            file_schema
                .fields()
                .iter()
                .position(|field| field.name() == name)
                .unwrap_or(usize::MAX)
        };
        let places: Vec<_> = schema.fields().iter().map(|field| place(field.name())).collect();
        let mut by_place = vec![None; file_schema.fields().len()];
        for (column, place) in places.iter().enumerate() {
            if let Some(slot) = by_place.get_mut(*place) {
                *slot = Some(column);
            }
        }
        let json = match &format {
            RowFormat::Json { options, .. } => Some(JsonDecoder::new(schema.clone(), options.clone())),
            _ => None,
        };
        Self {
            format,
            schema,
            json,
            columns,
            places,
            by_place,
            rows: 0,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn decode(&mut self, line: &[u8]) -> Result<()> {
        let Self {
            format,
            schema,
            json,
            columns,
            places,
            by_place,
            ..
        } = self;
        let mut row = Row {
            schema,
            columns,
            places,
            by_place,
        };
        match &*format {
            RowFormat::Json { ignore_malformed, .. } => {
                if let Some(json) = json {
                    decode_json(json, line, *ignore_malformed)?;
                }
            }
            RowFormat::Quoted {
                separator,
                quote,
                escape,
            } => row.decode_quoted(line, [separator, quote, escape])?,
            RowFormat::Delimited {
                field,
                item,
                key,
                escape,
                null,
            } => {
                // Most delimiters are the same in every line, which then need not be looked at beforehand.
                let plain = [field, item, key]
                    .into_iter()
                    .chain(escape.iter())
                    .all(|d| d.is_plain());
                let utf8 = plain || std::str::from_utf8(line).is_ok();
                let nested: [&[u8]; 7] = [item.bytes(utf8), key.bytes(utf8), &[4], &[5], &[6], &[7], &[8]];
                let escape = escape.as_ref().map(|escape| escape.bytes(utf8));
                row.decode_delimited(line, field.bytes(utf8), &nested, escape, null);
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        if let Some(json) = &mut self.json {
            self.rows = 0;
            return json
                .finish()
                .map_err(|error| DataFusionError::External(Box::new(error)));
        }
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            arrays,
            &options,
        )?)
    }
}

/// A line on its way into the columns.
struct Row<'d> {
    schema: &'d SchemaRef,
    columns: &'d mut [ColumnBuilder],
    places: &'d [usize],
    by_place: &'d [Option<usize>],
}

impl Row<'_> {
    fn decode_quoted(&mut self, line: &[u8], signs: [&Delimiter; 3]) -> Result<()> {
        // The SerDe reads lines as UTF-8.
        let line = text(line);
        let signs = signs.map(|sign| sign.bytes(true));
        let mut rest = line.as_bytes();
        let mut field = Vec::new();
        for place in 0.. {
            field.clear();
            let (more, after) = quoted_field(rest, &mut field, signs);
            rest = after;
            if let Some(column) = self.by_place.get(place).copied().flatten() {
                let text = text(&field);
                if self.columns[column].append_text(&text).is_err() {
                    let name = self.schema.field(column).name();
                    return Err(bad_data(format!(
                        "HIVE_BAD_DATA: Error parsing field value '{text}' for field {place} ({name})"
                    )));
                }
            }
            if !more {
                self.fill_rest(place + 1);
                break;
            }
            if place + 1 >= self.by_place.len() {
                break;
            }
        }
        Ok(())
    }

    fn decode_delimited(&mut self, line: &[u8], separator: &[u8], nested: &[&[u8]], escape: Option<&[u8]>, null: &str) {
        let mut rest = line;
        for place in 0..self.by_place.len() {
            let end = field_end(rest, separator, escape);
            let field = &rest[..end];
            if let Some(column) = self.by_place[place] {
                let unescaped;
                let field = match escape {
                    Some(escape) if field.windows(escape.len()).any(|piece| piece == escape) => {
                        unescaped = unescape(field, escape);
                        unescaped.as_slice()
                    }
                    _ => field,
                };
                // What is not of its column's type is NULL, as the SerDe has it.
                if self.columns[column].append_delimited(field, nested, null).is_err() {
                    self.columns[column].append_null();
                }
            }
            if end == rest.len() {
                return self.fill_rest(place + 1);
            }
            rest = &rest[end + separator.len()..];
        }
    }

    /// A row with fewer fields than the table has columns: the rest is NULL.
    fn fill_rest(&mut self, from_place: usize) {
        for (column, place) in self.columns.iter_mut().zip(self.places) {
            if *place >= from_place {
                column.append_null();
            }
        }
    }
}

fn decode_json(json: &mut JsonDecoder, line: &[u8], ignore_malformed: bool) -> Result<()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        json.push_null();
        return Ok(());
    }
    // The SerDe reads lines as UTF-8.
    let line = text(line);
    let Err(refusal) = json.push(line.as_bytes()) else {
        return Ok(());
    };
    if ignore_malformed && (refusal.malformed || !line.trim_ascii_start().starts_with('{')) {
        json.push_null();
        return Ok(());
    }
    const SHOWN_BYTES_MAX: usize = 200;
    let shown = String::from_utf8_lossy(&line.as_bytes()[..line.len().min(SHOWN_BYTES_MAX)]);
    Err(bad_data(if refusal.malformed {
        format!("HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {refusal}: {shown}")
    } else {
        format!("HIVE_BAD_DATA: Error Parsing a column in the table: {refusal}: {shown}")
    }))
}

fn bad_data(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(SqlError::new(ErrorKind::BadData, message)))
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

fn unescape(field: &[u8], escape: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        match rest.strip_prefix(escape) {
            Some(escaped) => {
                plain.extend(escaped.first());
                rest = escaped.get(1..).unwrap_or_default();
            }
            None => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
}

/// One field of OpenCSVSerde: quotes may stand anywhere, a doubled quote within quotes is one quote. Returns
/// whether a separator followed, and what is behind it.
fn quoted_field<'l>(text: &'l [u8], field: &mut Vec<u8>, signs: [&[u8]; 3]) -> (bool, &'l [u8]) {
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
