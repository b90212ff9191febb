//! Lines to record batches.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use engine_formats::{ColumnBuilder, JsonKeys};
use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::delimiter::{Delimiter, text};
use super::format::RowFormat;
use crate::{ErrorKind, SqlError};

/// Decodes the projected columns of lines.
pub(super) struct RowDecoder {
    format: RowFormat,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    /// Of each projected column, its place in the file's rows.
    places: Vec<usize>,
    /// Of each place in the file's rows, the projected column.
    by_place: Vec<Option<usize>>,
    /// Of a format of JSON, which keys are which columns.
    keys: JsonKeys,
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
        let keys = match &format {
            RowFormat::Json { options, .. } => JsonKeys::new(&schema, options.clone()),
            _ => JsonKeys::default(),
        };
        Self {
            format,
            schema,
            columns,
            places,
            by_place,
            keys,
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
            columns,
            places,
            by_place,
            keys,
            ..
        } = self;
        let mut row = Row {
            schema,
            columns,
            places,
            by_place,
        };
        match &*format {
            RowFormat::Json { ignore_malformed, .. } => row.decode_json(line, keys, *ignore_malformed)?,
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
    fn decode_json(&mut self, line: &[u8], keys: &JsonKeys, ignore_malformed: bool) -> Result<()> {
        let blank = line.iter().all(u8::is_ascii_whitespace);
        // Checked first, because a line that breaks off in the middle has filled some of the columns.
        if blank || ignore_malformed && !is_object(line) {
            self.columns.iter_mut().for_each(ColumnBuilder::append_null);
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let object = JsonObject {
            columns: self.columns,
            keys,
        };
        let decoded = object.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        decoded.map_err(|error| {
            let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
            if error.is_data() {
                bad_data(format!(
                    "HIVE_BAD_DATA: Error Parsing a column in the table: {error}: {shown}"
                ))
            } else {
                bad_data(format!(
                    "HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {error}: {shown}"
                ))
            }
        })
    }

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

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
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

struct JsonObject<'b> {
    columns: &'b mut [ColumnBuilder],
    keys: &'b JsonKeys,
}

impl<'de> DeserializeSeed<'de> for JsonObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for JsonObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut seen = vec![false; self.columns.len()];
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.keys.column(&name).filter(|at| !seen[*at]) {
                Some(at) => {
                    seen[at] = true;
                    map.next_value_seed(&mut self.columns[at])?;
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        for (column, _) in self.columns.iter_mut().zip(seen).filter(|(_, seen)| !seen) {
            column.append_null();
        }
        Ok(())
    }
}
