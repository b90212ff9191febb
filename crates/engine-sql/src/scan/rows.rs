//! Lines to record batches.

use std::collections::HashMap;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use engine_formats::ColumnBuilder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

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
    by_name: HashMap<String, usize>,
    rows: usize,
    field: String,
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
        let by_name = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| (field.name().clone(), index))
            .collect();
        Self {
            format,
            schema,
            columns,
            places,
            by_place,
            by_name,
            rows: 0,
            field: String::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn decode(&mut self, line: &[u8]) -> Result<()> {
        match &self.format {
            RowFormat::Json { ignore_malformed } => self.decode_json(line, *ignore_malformed)?,
            RowFormat::Quoted {
                separator,
                quote,
                escape,
            } => self.decode_quoted(line, *separator, *quote, *escape)?,
            RowFormat::Delimited {
                field,
                item,
                key,
                escape,
                null,
            } => {
                let (field, escape, null) = (*field, *escape, null.clone());
                self.decode_delimited(line, field, &[*item, *key, 4, 5, 6, 7, 8], escape, &null);
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

    fn decode_json(&mut self, line: &[u8], ignore_malformed: bool) -> Result<()> {
        let blank = line.iter().all(u8::is_ascii_whitespace);
        // Checked first, because a line that breaks off in the middle has filled some of the columns.
        if blank || ignore_malformed && !is_object(line) {
            self.columns.iter_mut().for_each(ColumnBuilder::append_null);
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let object = JsonObject {
            columns: &mut self.columns,
            by_name: &self.by_name,
            key: &mut self.field,
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

    fn decode_quoted(&mut self, line: &[u8], separator: u8, quote: u8, escape: u8) -> Result<()> {
        let line = utf8(line);
        let mut rest = line.as_ref().as_bytes();
        let mut field = Vec::new();
        for place in 0.. {
            field.clear();
            let (more, after) = quoted_field(rest, &mut field, separator, quote, escape);
            rest = after;
            if let Some(column) = self.by_place.get(place).copied().flatten() {
                let text = String::from_utf8_lossy(&field);
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

    fn decode_delimited(&mut self, line: &[u8], separator: u8, nested: &[u8], escape: Option<u8>, null: &str) {
        let line = utf8(line);
        let mut rest = line.as_ref();
        for place in 0..self.by_place.len() {
            let end = field_end(rest.as_bytes(), separator, escape);
            let field = &rest[..end];
            if let Some(column) = self.by_place[place] {
                let unescaped;
                let text = match escape {
                    Some(escape) if field.as_bytes().contains(&escape) => {
                        unescaped = unescape(field, escape);
                        unescaped.as_str()
                    }
                    _ => field,
                };
                // What is not of its column's type is NULL, as the SerDe has it.
                if self.columns[column].append_delimited(text, nested, null).is_err() {
                    self.columns[column].append_null();
                }
            }
            if end == rest.len() {
                return self.fill_rest(place + 1);
            }
            rest = &rest[end + 1..];
        }
    }

    /// A row with fewer fields than the table has columns: the rest is NULL.
    fn fill_rest(&mut self, from_place: usize) {
        for (column, place) in self.columns.iter_mut().zip(&self.places) {
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

fn utf8(line: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(line)
}

fn field_end(text: &[u8], separator: u8, escape: Option<u8>) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if Some(byte) == escape {
            at += 2;
        } else if byte == separator {
            return at;
        } else {
            at += 1;
        }
    }
    text.len()
}

fn unescape(field: &str, escape: u8) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c == char::from(escape) => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}

/// One field of OpenCSVSerde: quotes may stand anywhere, a doubled quote within quotes is one quote. Returns
/// whether a separator followed, and what is behind it.
fn quoted_field<'l>(text: &'l [u8], field: &mut Vec<u8>, separator: u8, quote: u8, escape: u8) -> (bool, &'l [u8]) {
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        if byte == escape && quoted && next.is_some_and(|next| next == quote || next == escape) {
            field.extend(next);
            at += 1;
        } else if byte == quote {
            if quoted && next == Some(quote) {
                field.push(quote);
                at += 1;
            } else {
                quoted = !quoted;
            }
        } else if byte == separator && !quoted {
            return (true, &text[at + 1..]);
        } else {
            field.push(byte);
        }
        at += 1;
    }
    (false, &[])
}

struct JsonObject<'b> {
    columns: &'b mut [ColumnBuilder],
    by_name: &'b HashMap<String, usize>,
    key: &'b mut String,
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
            let at = self.by_name.get(name.as_ref()).or_else(|| {
                // Column names are in lower case; JSON's are as they come.
                self.key.clear();
                self.key.push_str(&name.to_lowercase());
                self.by_name.get(self.key.as_str())
            });
            match at.copied().filter(|at| !seen[*at]) {
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
