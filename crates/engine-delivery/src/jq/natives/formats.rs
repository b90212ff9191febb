//! `@csv` and the other formats.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Context;
use crate::jq::access::described;
use crate::jq::fault::{Outcome, raise};
use crate::jq::memory::Meter;
use crate::jq::read::lossy;
use crate::jq::value::Value;
use crate::jq::write;

pub(super) fn format(context: &mut Context, input: Value, arguments: &mut [Value]) -> Outcome {
    let meter = &mut context.meter;
    let Value::Text(name) = &arguments[0] else {
        return raise(format!("{} is not a valid format", described(&arguments[0])));
    };
    let written = match name.as_str() {
        "text" => match input {
            Value::Text(text) => return Ok(Value::Text(text)),
            other => write::json(&other, meter)?,
        },
        "json" => write::json(&input, meter)?,
        "csv" => row(&input, "csv", meter)?,
        "tsv" => row(&input, "tsv", meter)?,
        "html" => html(&growing(&input, HTML_BYTES, meter)?),
        "uri" => uri(&growing(&input, URI_BYTES, meter)?),
        "sh" => shell(&input, meter)?,
        "base64" => STANDARD.encode(growing(&input, BASE64_BYTES, meter)?.as_bytes()),
        "base64d" => decode(&growing(&input, DECODED_BYTES, meter)?)?,
        other => return raise(format!("{other} is not a valid format")),
    };
    Ok(Value::text(written))
}

/// What a byte becomes at most: `&quot;`.
const HTML_BYTES: usize = 6;
/// `%22`.
const URI_BYTES: usize = 3;
/// A quote becomes four bytes, and a text stands in quotes.
const SHELL_BYTES: usize = 6;
/// A quote in a row is doubled, and stands in quotes.
const ROW_BYTES: usize = 4;
/// Three bytes are four letters, and one byte is as many.
const BASE64_BYTES: usize = 4;
/// Three bytes of four, each of which may be replaced by one of three bytes, beside the bytes themselves.
const DECODED_BYTES: usize = 3;

/// The input as text, if there is room for each of its bytes to become so many.
fn growing<'v>(input: &'v Value, bytes: usize, meter: &mut Meter) -> Outcome<Cow<'v, str>> {
    let text = write::text(input, meter)?;
    meter.spend_bytes(text.len())?;
    meter.room(text.len().saturating_mul(bytes))?;
    Ok(text)
}

fn row(of: &Value, format: &str, meter: &mut Meter) -> Outcome<String> {
    let Value::Array(array) = of else {
        return raise(format!("{} cannot be {format}-formatted, only array", described(of)));
    };
    let is_csv = format == "csv";
    let mut row = String::new();
    for (at, item) in array.items().iter().enumerate() {
        meter.spend(1)?;
        if at > 0 {
            row.push(if is_csv { ',' } else { '\t' });
        }
        match item {
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => row.push_str(&write::text(item, meter)?),
            Value::Text(_) if is_csv => {
                let text = growing(item, ROW_BYTES, meter)?;
                row.push('"');
                row.push_str(&text.replace('"', "\"\""));
                row.push('"');
            }
            Value::Text(_) => {
                for letter in growing(item, ROW_BYTES, meter)?.chars() {
                    match letter {
                        '\t' => row.push_str("\\t"),
                        '\n' => row.push_str("\\n"),
                        '\r' => row.push_str("\\r"),
                        '\\' => row.push_str("\\\\"),
                        other => row.push(other),
                    }
                }
            }
            Value::Array(_) | Value::Object(_) => {
                return raise(format!("{} is not valid in a csv row", described(item)));
            }
        }
        meter.room(row.len())?;
    }
    Ok(row)
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

fn uri(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.push('%');
            out.extend(digits.map(char::from));
        }
    }
    out
}

/// Words of a shell, texts in quotes.
fn shell(of: &Value, meter: &mut Meter) -> Outcome<String> {
    let items = match of {
        Value::Array(array) => array.items(),
        other => std::slice::from_ref(other),
    };
    let mut line = String::new();
    for (at, item) in items.iter().enumerate() {
        meter.spend(1)?;
        if at > 0 {
            line.push(' ');
        }
        match item {
            Value::Text(_) => {
                let text = growing(item, SHELL_BYTES, meter)?;
                line.push('\'');
                line.push_str(&text.replace('\'', "'\\''"));
                line.push('\'');
            }
            Value::Array(_) | Value::Object(_) => {
                return raise(format!("{} can not be escaped for shell", described(item)));
            }
            other => line.push_str(&write::text(other, meter)?),
        }
        meter.room(line.len())?;
    }
    Ok(line)
}

/// Base64 up to the first padding; letters that do not make a whole byte are left out, but one alone is an error.
fn decode(text: &str) -> Outcome<String> {
    let invalid = |what: &str| raise(format!("{} {what}", described(&Value::text(text))));
    let letters = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for letter in letters.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return invalid("is not valid base64 data"),
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count % 4 == 0 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match count % 4 {
        1 => return invalid("trailing base64 byte found"),
        2 => bytes.push((bits >> 4) as u8),
        3 => bytes.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => {}
    }
    Ok(lossy(&bytes))
}
