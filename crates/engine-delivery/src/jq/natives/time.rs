//! Functions on times. The zone is UTC everywhere, as it is where Firehose runs queries.

mod calendar;
mod read;
mod write;

use calendar::Moment;

use super::Context;
use crate::jq::fault::{Outcome, raise};
use crate::jq::value::Value;

pub(super) fn find(name: &str, arguments: usize) -> Option<fn(&mut Context, Value, &mut [Value]) -> Outcome> {
    Some(match (name, arguments) {
        ("gmtime", 0) => |_, input, _| broken_down(&input, "gmtime"),
        ("localtime", 0) => |_, input, _| broken_down(&input, "localtime"),
        ("mktime", 0) => |_, input, _| seconds(&input),
        ("strftime", 1) => |context, input, arguments| format(context, input, &arguments[0], "strftime/1"),
        ("strflocaltime", 1) => |context, input, arguments| format(context, input, &arguments[0], "strflocaltime/1"),
        ("strptime", 1) => |context, input, arguments| parse(context, &input, &arguments[0]),
        _ => return None,
    })
}

/// Seconds since 1970 as year, month from 0, day, hour, minute, second, day of the week from Sunday, day of the year
/// from 0.
fn broken_down(seconds: &Value, function: &str) -> Outcome {
    let Value::Number(seconds) = seconds else {
        return raise(format!("{function}() requires numeric inputs"));
    };
    let Some(moment) = Moment::of_seconds(*seconds) else {
        return raise("errror converting number of seconds since epoch to datetime");
    };
    let fraction = seconds - seconds.floor();
    Ok(Value::array(moment.fields(fraction).map(Value::Number)))
}

/// The moment that an array of numbers tells.
fn moment_of(value: &Value) -> Option<Moment> {
    let Value::Array(array) = value else { return None };
    let mut fields = [0.0; 8];
    for (field, item) in fields.iter_mut().zip(array.items().get(..8)?) {
        let Value::Number(number) = item else { return None };
        *field = *number;
    }
    Some(Moment::of_fields(fields))
}

fn seconds(of: &Value) -> Outcome {
    if !matches!(of, Value::Array(_)) {
        return raise("mktime requires array inputs");
    }
    let Some(moment) = moment_of(of) else {
        return raise("mktime requires parsed datetime inputs");
    };
    match moment.seconds() {
        // What jq takes for signs of failure.
        -1 => raise("invalid gmtime representation"),
        -2 => raise("mktime not supported on this platform"),
        seconds => Ok(Value::Number(seconds as f64)),
    }
}

fn format(context: &mut Context, time: Value, format: &Value, function: &str) -> Outcome {
    let time = match time {
        Value::Number(_) => broken_down(&time, "gmtime")?,
        other => other,
    };
    let Some(moment) = moment_of(&time) else {
        return raise(format!("{function} requires parsed datetime inputs"));
    };
    let Value::Text(format) = format else {
        return raise(format!("{function} requires a string format"));
    };
    context.meter.spend(format.as_str().len())?;
    context.meter.spend_bytes(write::BYTES_MAX)?;
    match write::formatted(&moment, format.as_str()) {
        Some(text) => Ok(Value::text(text)),
        None => raise(format!("{function}: unknown system failure")),
    }
}

fn parse(context: &mut Context, text: &Value, format: &Value) -> Outcome {
    let (Value::Text(text), Value::Text(format)) = (text, format) else {
        return raise("strptime/1 requires string inputs and arguments");
    };
    let (text, format) = (text.as_str(), format.as_str());
    context.meter.spend(text.len() + format.len())?;
    context.meter.room(text.len() + format.len())?;
    let no_match = || raise(format!("date \"{text}\" does not match format \"{format}\""));
    let Some((moment, rest)) = read::parsed(text, format) else {
        return no_match();
    };
    if rest.bytes().next().is_some_and(|byte| !calendar::is_space(byte)) {
        return no_match();
    }
    let fields = moment.fields(0.0).map(Value::Number);
    let rest = (!rest.is_empty()).then(|| Value::text(rest));
    Ok(Value::array(fields.into_iter().chain(rest)))
}
