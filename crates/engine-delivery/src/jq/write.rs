//! Values as text.

use std::borrow::Cow;
use std::fmt::Write;

use super::fault::{Fault, Outcome};
use super::memory::Meter;
use super::number;
use super::value::Value;

/// What stands deeper than this in others is not written.
const DEPTH_MAX: usize = 256;
const STRIPPED: &str = "<stripped: exceeds max depth>";

/// A value as JSON, without spaces.
pub(super) fn json(value: &Value, meter: &mut Meter) -> Outcome<String> {
    let mut writer = Writer {
        out: String::new(),
        bytes_max: usize::MAX,
        meter,
    };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// A text as it is, and anything else as JSON.
pub(super) fn text<'v>(value: &'v Value, meter: &mut Meter) -> Outcome<Cow<'v, str>> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text.as_str())),
        other => json(other, meter).map(Cow::Owned),
    }
}

/// A value as JSON that is cut where it is long, for messages.
pub(super) fn shortened(value: &Value) -> String {
    shortened_to(value, 14)
}

/// A value as JSON, so many bytes of it at most.
pub(super) fn shortened_to(value: &Value, bytes_max: usize) -> String {
    // Each value is a byte at least, so that the bytes bound the work.
    let mut meter = Meter::of_steps(u64::MAX);
    let mut writer = Writer {
        out: String::new(),
        bytes_max,
        meter: &mut meter,
    };
    let is_whole = writer.value(value, 0).is_ok();
    let mut out = writer.out;
    if !is_whole || out.len() > bytes_max {
        out.truncate(out.floor_char_boundary(bytes_max - 3));
        out.push_str("...");
    }
    out
}

struct Writer<'m> {
    out: String,
    /// What lies behind so many bytes is left out.
    bytes_max: usize,
    meter: &'m mut Meter,
}

/// What it takes to find the shortest digits of a number.
const NUMBER_STEPS: usize = 4;
/// A byte becomes so many at most: `\u0001`.
const ESCAPE_BYTES: usize = 6;

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Outcome<()> {
        self.meter.spend(1)?;
        if self.out.len() > self.bytes_max {
            return Err(Fault::Limit("the rest would be cut"));
        }
        if depth > DEPTH_MAX {
            self.out.push_str(STRIPPED);
            return Ok(());
        }
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Value::Number(number) => {
                self.meter.spend(NUMBER_STEPS)?;
                number::write(*number, &mut self.out);
            }
            Value::Text(text) => self.string(text.as_str())?,
            Value::Array(array) => {
                self.out.push('[');
                for (at, item) in array.items().iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.value(item, depth + 1)?;
                }
                self.out.push(']');
                self.meter.room(self.out.len())?;
            }
            Value::Object(object) => {
                self.out.push('{');
                for (at, (key, value)) in object.entries().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.string(key.as_str())?;
                    self.out.push(':');
                    self.value(value, depth + 1)?;
                }
                self.out.push('}');
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Outcome<()> {
        let left = self.bytes_max.saturating_sub(self.out.len());
        let text = &text[..text.ceil_char_boundary(left)];
        self.meter.spend_bytes(text.len())?;
        self.meter
            .room(self.out.len() + text.len().saturating_mul(ESCAPE_BYTES))?;
        write_string(text, &mut self.out);
        Ok(())
    }
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
