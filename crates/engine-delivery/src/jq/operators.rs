//! The operators on values.

use super::access::described;
use super::fault::{Outcome, raise};
use super::memory::Meter;
use super::natives::{Context, Native, text};
use super::order::{compare, is_equal};
use super::value::{Array, ENTRY_BYTES, Object, Text, Value};

pub(super) const ADD: Native = Native(|context, _, operands| {
    let [left, right] = both(operands);
    add(left, right, &mut context.meter)
});

pub(super) const NEGATE: Native = Native(|_, input, _| match input {
    Value::Number(number) => Ok(Value::Number(-number)),
    other => raise(format!("{} cannot be negated", described(&other))),
});

/// What an operator between two terms does.
pub(super) fn find(operator: &str) -> Option<Native> {
    Some(match operator {
        "+" => ADD,
        "-" => Native(|context, _, operands| {
            let [left, right] = both(operands);
            subtract(left, right, &mut context.meter)
        }),
        "*" => Native(|context, _, operands| {
            let [left, right] = both(operands);
            multiply(left, right, &mut context.meter)
        }),
        "/" => Native(|context, _, operands| {
            let [left, right] = both(operands);
            divide(left, right, &mut context.meter)
        }),
        "%" => Native(|_, _, operands| {
            let [left, right] = both(operands);
            remainder(&left, &right)
        }),
        "==" => Native(|context, _, operands| equality(context, operands).map(Value::Bool)),
        "!=" => Native(|context, _, operands| equality(context, operands).map(|is_equal| Value::Bool(!is_equal))),
        "<" => Native(|context, _, operands| order(context, operands).map(|order| Value::Bool(order.is_lt()))),
        "<=" => Native(|context, _, operands| order(context, operands).map(|order| Value::Bool(order.is_le()))),
        ">" => Native(|context, _, operands| order(context, operands).map(|order| Value::Bool(order.is_gt()))),
        ">=" => Native(|context, _, operands| order(context, operands).map(|order| Value::Bool(order.is_ge()))),
        _ => return None,
    })
}

fn both(operands: &mut [Value]) -> [Value; 2] {
    let mut taken = operands.iter_mut().map(std::mem::take);
    [taken.next().unwrap_or_default(), taken.next().unwrap_or_default()]
}

fn equality(context: &mut Context, operands: &mut [Value]) -> Outcome<bool> {
    let [left, right] = both(operands);
    is_equal(&left, &right, &mut context.meter)
}

fn order(context: &mut Context, operands: &mut [Value]) -> Outcome<std::cmp::Ordering> {
    let [left, right] = both(operands);
    compare(&left, &right, &mut context.meter)
}

/// Numbers are added, texts and arrays joined, objects joined with the right one's values first; null adds nothing.
pub(super) fn add(left: Value, right: Value, meter: &mut Meter) -> Outcome {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => Ok(other),
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left + right)),
        (Value::Text(mut left), Value::Text(right)) => {
            meter.room(left.as_str().len() + right.as_str().len())?;
            meter.spend_bytes(left.cost_of_change() + right.as_str().len())?;
            left.push(right.as_str());
            Ok(Value::Text(left))
        }
        (Value::Array(mut left), Value::Array(right)) => {
            meter.room(left.cost_of_change() + (left.len() + right.len()) * size_of::<Value>())?;
            meter.spend_bytes(left.cost_of_change())?;
            meter.spend(right.len())?;
            left.extend(right.items());
            Ok(Value::Array(left))
        }
        (Value::Object(mut left), Value::Object(right)) => {
            meter.room(left.cost_of_change() + right.len() * ENTRY_BYTES)?;
            meter.spend_bytes(left.cost_of_change())?;
            meter.spend(right.len())?;
            for (key, value) in right.entries() {
                left.insert(key.clone(), value.clone(), meter)?;
            }
            Ok(Value::Object(left))
        }
        (left, right) => cannot(&left, &right, "added"),
    }
}

fn cannot<T>(left: &Value, right: &Value, what: &str) -> Outcome<T> {
    raise(format!("{} and {} cannot be {what}", described(left), described(right)))
}

/// Numbers are subtracted; of an array all items of the other are taken out.
fn subtract(left: Value, right: Value, meter: &mut Meter) -> Outcome {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left - right)),
        (Value::Array(left), Value::Array(right)) => {
            meter.room(left.len() * size_of::<Value>())?;
            let mut kept = Vec::new();
            for item in left.items() {
                meter.spend(1)?;
                let mut is_there = false;
                for other in right.items() {
                    is_there = is_equal(item, other, meter)?;
                    if is_there {
                        break;
                    }
                }
                if !is_there {
                    kept.push(item.clone());
                }
            }
            Ok(Value::Array(Array::new(kept)))
        }
        (left, right) => cannot(&left, &right, "subtracted"),
    }
}

/// Numbers are multiplied, texts repeated, objects merged all the way down.
fn multiply(left: Value, right: Value, meter: &mut Meter) -> Outcome {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left * right)),
        (Value::Text(text), Value::Number(times)) | (Value::Number(times), Value::Text(text)) => {
            repeat(&text, times, meter)
        }
        (Value::Object(left), Value::Object(right)) => merge(left, &right, meter).map(Value::Object),
        (left, right) => cannot(&left, &right, "multiplied"),
    }
}

/// A text so many times; no times is null, and a part of once is once.
fn repeat(text: &Text, times: f64, meter: &mut Meter) -> Outcome {
    // jq counts down from one less than the number.
    let more = (times - 1.0).trunc();
    if more.is_nan() || more < 0.0 {
        return Ok(Value::Null);
    }
    let text = text.as_str();
    // What is infinite is as much as there is.
    let times = (more as usize).saturating_add(1);
    let length = text.len().max(1).saturating_mul(times);
    if length >= REPEATED_BYTES_MAX {
        return raise("Repeat string result too long");
    }
    meter.room(length)?;
    meter.spend_bytes(length)?;
    Ok(Value::text(text.repeat(times)))
}

/// jq counts in 32 bits.
const REPEATED_BYTES_MAX: usize = i32::MAX as usize;

fn merge(mut left: Object, right: &Object, meter: &mut Meter) -> Outcome<Object> {
    meter.room(left.cost_of_change() + right.len() * ENTRY_BYTES)?;
    meter.spend_bytes(left.cost_of_change())?;
    for (key, value) in right.entries() {
        meter.spend(1)?;
        let merged = match (left.get(key, meter)?, value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(merge(old.clone(), new, meter)?),
            _ => value.clone(),
        };
        left.insert(key.clone(), merged, meter)?;
    }
    Ok(left)
}

/// Numbers are divided, texts split.
fn divide(left: Value, right: Value, meter: &mut Meter) -> Outcome {
    match (left, right) {
        (left @ Value::Number(_), right @ Value::Number(0.0)) => {
            cannot(&left, &right, "divided because the divisor is zero")
        }
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left / right)),
        (Value::Text(left), Value::Text(right)) => text::split(left.as_str(), right.as_str(), meter),
        (left, right) => cannot(&left, &right, "divided"),
    }
}

/// The remainder of whole numbers of 64 bits; what does not fit is the least of them.
fn remainder(left: &Value, right: &Value) -> Outcome {
    let (Value::Number(first), Value::Number(second)) = (left, right) else {
        return cannot(left, right, "divided");
    };
    // From the least to the first that is too large.
    let fits = i64::MIN as f64..-(i64::MIN as f64);
    let whole = |number: f64| match number.trunc() {
        whole if fits.contains(&whole) => whole as i64,
        _ => i64::MIN,
    };
    match whole(*second) {
        0 => cannot(left, right, "divided (remainder) because the divisor is zero"),
        second => Ok(Value::Number(whole(*first).wrapping_rem(second) as f64)),
    }
}

/// A value that was made, if it is not too deep.
pub(super) fn check_depth(value: Value) -> Outcome {
    if value.depth() > super::DEPTH_MAX {
        return Err(super::too_deep());
    }
    Ok(value)
}
