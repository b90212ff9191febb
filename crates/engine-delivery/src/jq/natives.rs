//! The functions that are not written in jq's own language.

mod arrays;
mod formats;
mod math;
mod patterns;
pub(super) mod text;
mod time;

pub(super) use patterns::Compiled;

use super::access;
use super::fault::{Fault, Outcome, raise};
use super::memory::Meter;
use super::read;
use super::value::Value;
use super::write;

/// What a function sees beside its input and arguments.
pub(super) struct Context {
    pub(super) meter: Meter,
    /// Seconds since 1970 at which it is now.
    pub(super) now: f64,
    pub(super) patterns: Compiled,
}

impl Context {
    pub(super) fn new(meter: Meter, now: f64, patterns: Compiled) -> Self {
        Self { meter, now, patterns }
    }
}

/// A function of the input and the arguments, of which there may be more than it takes. Going once through the texts
/// among them is counted before it is called, and all else that it does is for the function to count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Native(pub(super) fn(&mut Context, Value, &mut [Value]) -> Outcome);

/// Writes the input by the format that the argument names.
pub(super) const FORMAT: Native = Native(formats::format);

/// A function by its name and number of arguments.
pub(super) fn find(name: &str, arguments: usize) -> Option<Native> {
    let native: fn(&mut Context, Value, &mut [Value]) -> Outcome = match (name, arguments) {
        ("not", 0) => |_, input, _| Ok(Value::Bool(!input.is_truthy())),
        ("type", 0) => |_, input, _| Ok(Value::text(input.kind())),
        ("length", 0) => |_, input, _| length(&input),
        ("error", 0) => |_, input, _| error(input),
        ("error", 1) => |_, _, arguments| error(std::mem::take(&mut arguments[0])),
        ("env", 0) => |_, _, _| Ok(Value::Object(Default::default())),
        ("now", 0) => |context, _, _| Ok(Value::Number(context.now)),
        ("tojson", 0) => |context, input, _| write::json(&input, &mut context.meter).map(Value::text),
        ("tostring", 0) => |context, input, _| match input {
            Value::Text(text) => Ok(Value::Text(text)),
            other => write::json(&other, &mut context.meter).map(Value::text),
        },
        ("fromjson", 0) => from_json,
        ("tonumber", 0) => to_number,
        ("has", 1) => |context, input, arguments| access::has(&input, &arguments[0], &mut context.meter),
        ("contains", 1) => contains,
        ("keys", 0) => |context, input, _| access::keys(&input, true, &mut context.meter),
        ("keys_unsorted", 0) => |context, input, _| access::keys(&input, false, &mut context.meter),
        ("setpath", 2) => |context, input, arguments| {
            let value = std::mem::take(&mut arguments[1]);
            access::set_path(input, &arguments[0], value, &mut context.meter)
        },
        ("delpaths", 1) => |context, input, arguments| access::delete_paths(input, &arguments[0], &mut context.meter),
        ("format", 1) => formats::format,
        _ => {
            let others = [arrays::find, text::find, math::find, time::find, patterns::find];
            return others.iter().find_map(|find| find(name, arguments)).map(Native);
        }
    };
    Some(Native(native))
}

/// An error with a value; null is none.
fn error(value: Value) -> Outcome {
    match value {
        Value::Null => Err(Fault::Nothing),
        value => Err(Fault::Raised(value)),
    }
}

/// Of texts in code points, of numbers without their sign.
fn length(of: &Value) -> Outcome {
    let length = match of {
        Value::Null => 0.0,
        Value::Number(number) => number.abs(),
        Value::Text(text) => text.as_str().chars().count() as f64,
        Value::Array(array) => array.len() as f64,
        Value::Object(object) => object.len() as f64,
        Value::Bool(_) => return raise(format!("{} has no length", access::described(of))),
    };
    Ok(Value::Number(length))
}

fn from_json(context: &mut Context, input: Value, _: &mut [Value]) -> Outcome {
    let Value::Text(text) = &input else {
        return raise(format!("{} only strings can be parsed", access::described(&input)));
    };
    parse(text.as_str(), &mut context.meter)
}

/// How much more work it is to read JSON than to go through it: two bytes may be a value.
const READING_COST: usize = 16;

fn parse(text: &str, meter: &mut Meter) -> Outcome {
    meter.spend_bytes(text.len().saturating_mul(READING_COST))?;
    meter.room(0)?;
    match read::one_value(text.as_bytes(), meter) {
        Ok(value) => Ok(value),
        Err(reason) => {
            meter.room(text.len())?;
            raise(format!("{reason} (while parsing '{text}')"))
        }
    }
}

fn to_number(context: &mut Context, input: Value, _: &mut [Value]) -> Outcome {
    match &input {
        Value::Number(_) => Ok(input),
        Value::Text(text) => match parse(text.as_str(), &mut context.meter)? {
            number @ Value::Number(_) => Ok(number),
            _ => raise(format!("{} cannot be parsed as a number", access::described(&input))),
        },
        _ => raise(format!("{} cannot be parsed as a number", access::described(&input))),
    }
}

fn contains(context: &mut Context, input: Value, arguments: &mut [Value]) -> Outcome {
    let part = &arguments[0];
    if input.kind() != part.kind() {
        return raise(format!(
            "{} and {} cannot have their containment checked",
            access::described(&input),
            access::described(part)
        ));
    }
    access::contains(&input, part, &mut context.meter).map(Value::Bool)
}
