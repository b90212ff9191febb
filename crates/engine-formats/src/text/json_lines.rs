//! Rows as JSON objects, one a line.

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::cells::Cells;
use crate::FormatError;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonLines {
    /// Whether members that are NULL are written as such, rather than left out.
    pub nulls: bool,
}

/// The batch's rows as lines of one JSON object each. Dates, times and, in Base64, binary data are texts, as are the
/// numbers that JSON does not have; the keys of maps are texts always.
pub fn write_json_lines(batch: &RecordBatch, options: JsonLines) -> Result<Vec<u8>, FormatError> {
    let schema = batch.schema();
    let cells = batch.columns().iter().map(Cells::of);
    let columns = schema
        .fields()
        .iter()
        .zip(cells)
        .map(|(field, cells)| Ok((field.name().clone(), cells?)));
    let columns = columns.collect::<Result<Vec<_>, FormatError>>()?;
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        put_object(&columns, row, options, &mut out)?;
        out.push('\n');
    }
    Ok(out.into_bytes())
}

fn put_object(fields: &[(String, Cells)], row: usize, options: JsonLines, out: &mut String) -> Result<(), FormatError> {
    out.push('{');
    let mut first = true;
    for (name, field) in fields {
        if field.is_null(row) && !options.nulls {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        put_quoted(name, out);
        out.push(':');
        put_value(field, row, options, out)?;
    }
    out.push('}');
    Ok(())
}

fn put_value(cells: &Cells, row: usize, options: JsonLines, out: &mut String) -> Result<(), FormatError> {
    if cells.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match cells {
        Cells::List { items, .. } => {
            out.push('[');
            for (at, item) in cells.items(row).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                put_value(items, item, options, out)?;
            }
            out.push(']');
        }
        Cells::Map { keys, values, .. } => {
            out.push('{');
            for (at, entry) in cells.items(row).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                let mut key = String::new();
                keys.put_text(entry, &mut key)?;
                put_quoted(&key, out);
                out.push(':');
                put_value(values, entry, options, out)?;
            }
            out.push('}');
        }
        Cells::Struct { fields, .. } => put_object(fields, row, options, out)?,
        simple if simple.is_quoted(row) => {
            let mut text = String::new();
            simple.put_text(row, &mut text)?;
            put_quoted(&text, out);
        }
        simple => simple.put_text(row, out)?,
    }
    Ok(())
}

/// A JSON string.
fn put_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => out.push(other),
        }
    }
    out.push('"');
}
