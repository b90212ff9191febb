//! Functions on texts.

use super::Context;
use crate::jq::access::described;
use crate::jq::fault::{Outcome, raise};
use crate::jq::memory::Meter;
use crate::jq::value::{Text, Value};

pub(super) fn find(name: &str, arguments: usize) -> Option<fn(&mut Context, Value, &mut [Value]) -> Outcome> {
    Some(match (name, arguments) {
        ("utf8bytelength", 0) => |_, input, _| match &input {
            Value::Text(text) => Ok(Value::Number(text.as_str().len() as f64)),
            other => raise(format!("{} only strings have UTF-8 byte length", described(other))),
        },
        ("startswith", 1) => |_, input, arguments| match (&input, &arguments[0]) {
            (Value::Text(text), Value::Text(part)) => Ok(Value::Bool(text.as_str().starts_with(part.as_str()))),
            _ => raise("startswith() requires string inputs"),
        },
        ("endswith", 1) => |_, input, arguments| match (&input, &arguments[0]) {
            (Value::Text(text), Value::Text(part)) => Ok(Value::Bool(text.as_str().ends_with(part.as_str()))),
            _ => raise("endswith() requires string inputs"),
        },
        ("ltrimstr", 1) => |context, input, arguments| {
            trimmed(input, &arguments[0], &context.meter, |text, part| {
                text.strip_prefix(part)
            })
        },
        ("rtrimstr", 1) => |context, input, arguments| {
            trimmed(input, &arguments[0], &context.meter, |text, part| {
                text.strip_suffix(part)
            })
        },
        ("ascii_downcase", 0) => |context, input, _| {
            let text = only_text(&input)?;
            context.meter.room(text.len())?;
            Ok(Value::text(text.to_ascii_lowercase()))
        },
        ("ascii_upcase", 0) => |context, input, _| {
            let text = only_text(&input)?;
            context.meter.room(text.len())?;
            Ok(Value::text(text.to_ascii_uppercase()))
        },
        ("explode", 0) => |context, input, _| {
            let text = only_text(&input)?;
            context.meter.spend(text.len())?;
            context.meter.room(text.len() * size_of::<Value>())?;
            let points = text.chars().map(|letter| Value::Number(f64::from(u32::from(letter))));
            Ok(Value::array(points))
        },
        ("implode", 0) => |context, input, _| implode(&input, &mut context.meter),
        ("split", 1) => |context, input, arguments| match (&input, &arguments[0]) {
            (Value::Text(text), Value::Text(separator)) => split(text.as_str(), separator.as_str(), &mut context.meter),
            _ => raise("split input and separator must be strings"),
        },
        ("_indices_in_text", 1) => |context, input, arguments| match (&input, &arguments[0]) {
            (Value::Text(text), Value::Text(part)) => indices_in_text(text, part, &mut context.meter),
            _ => raise("what is looked for in a text must be a text"),
        },
        _ => return None,
    })
}

fn only_text(value: &Value) -> Outcome<&str> {
    match value {
        Value::Text(text) => Ok(text.as_str()),
        _ => raise("explode input must be a string"),
    }
}

/// What is no text, and what does not have the part, stays as it is.
fn trimmed(input: Value, part: &Value, meter: &Meter, strip: for<'t> fn(&'t str, &str) -> Option<&'t str>) -> Outcome {
    if let (Value::Text(text), Value::Text(part)) = (&input, part)
        && let Some(rest) = strip(text.as_str(), part.as_str())
    {
        meter.room(rest.len())?;
        return Ok(Value::text(rest));
    }
    Ok(input)
}

/// The text of code points. Those that there are not in Unicode are replaced.
fn implode(of: &Value, meter: &mut Meter) -> Outcome {
    let Value::Array(points) = of else {
        return raise("implode input must be an array");
    };
    meter.spend(points.len())?;
    meter.room(points.len() * char::MAX.len_utf8())?;
    let mut text = String::with_capacity(points.len());
    for point in points.items() {
        let point = match point {
            Value::Number(number) if !number.is_nan() => number,
            other => {
                let other = described(other);
                return raise(format!(
                    "{other} can't be imploded, unicode codepoint needs to be numeric"
                ));
            }
        };
        let is_negative = *point <= -1.0;
        let letter = char::from_u32(*point as u32).filter(|_| !is_negative);
        text.push(letter.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Ok(Value::text(text))
}

/// The parts between separators; an empty text has none, and an empty separator stands between all letters.
pub(in crate::jq) fn split(text: &str, separator: &str, meter: &mut Meter) -> Outcome {
    let mut parts = Vec::new();
    let mut push = |part: &str, meter: &mut Meter| {
        meter.spend(1)?;
        meter.room(part.len() + size_of::<Value>() * (4 + parts.len() * 2))?;
        parts.push(Value::text(part));
        Ok(())
    };
    if separator.is_empty() {
        let mut buffer = [0; 4];
        for letter in text.chars() {
            push(letter.encode_utf8(&mut buffer), meter)?;
        }
    } else if !text.is_empty() {
        for part in text.split(separator) {
            push(part, meter)?;
        }
    }
    Ok(Value::array(parts))
}

/// Where a part stands, by bytes and without overlaps.
fn indices_in_text(text: &Text, part: &Text, meter: &mut Meter) -> Outcome {
    let (text, part) = (text.as_str(), part.as_str());
    if part.is_empty() {
        return raise("nothing cannot be looked for");
    }
    let mut found = Vec::new();
    for (at, _) in text.match_indices(part) {
        meter.spend(1)?;
        meter.room(found.len() * size_of::<Value>() * 2)?;
        found.push(Value::Number(at as f64));
    }
    Ok(Value::array(found))
}
