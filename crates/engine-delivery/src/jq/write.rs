//! Values as text.

use std::fmt::Write;

use super::fault::Outcome;
use super::memory::Meter;
use super::number;
use super::value::Value;

/// What stands deeper than this in others is not written.
const DEPTH_MAX: usize = 256;
const STRIPPED: &str = "<stripped: exceeds max depth>";

/// A value as JSON, without spaces.
pub(super) fn json(value: &Value, meter: &mut Meter) -> Outcome<String> {
    let mut out = String::new();
    write_value(value, 0, &mut out, meter)?;
    meter.spend_bytes(out.len())?;
    Ok(out)
}

/// A text as it is, and anything else as JSON.
pub(super) fn text(value: &Value, meter: &mut Meter) -> Outcome<String> {
    match value {
        Value::Text(text) => Ok(text.as_str().to_owned()),
        other => json(other, meter),
    }
}

/// A value as JSON that is cut where it is long, for messages.
pub(super) fn shortened(value: &Value) -> String {
    shortened_to(value, 14)
}

/// A value as JSON, so many bytes of it at most.
pub(super) fn shortened_to(value: &Value, bytes_max: usize) -> String {
    let mut meter = Meter::of_steps(bytes_max as u64);
    let mut out = String::new();
    // What the steps did not reach would be cut anyway.
    let is_whole = write_value(value, 0, &mut out, &mut meter).is_ok();
    if !is_whole || out.len() > bytes_max {
        out.truncate(out.floor_char_boundary(bytes_max - 3));
        out.push_str("...");
    }
    out
}

fn write_value(value: &Value, depth: usize, out: &mut String, meter: &mut Meter) -> Outcome<()> {
    meter.spend(1)?;
    if depth > DEPTH_MAX {
        out.push_str(STRIPPED);
        return Ok(());
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) => number::write(*number, out),
        Value::Text(text) => {
            meter.room(out.len() + text.as_str().len())?;
            write_string(text.as_str(), out);
        }
        Value::Array(array) => {
            out.push('[');
            for (at, item) in array.items().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, depth + 1, out, meter)?;
            }
            out.push(']');
            meter.room(out.len())?;
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (key, value)) in object.entries().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                meter.room(out.len() + key.as_str().len())?;
                write_string(key.as_str(), out);
                out.push(':');
                write_value(value, depth + 1, out, meter)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\t' => "\\t",
            b'\r' => "\\r",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
