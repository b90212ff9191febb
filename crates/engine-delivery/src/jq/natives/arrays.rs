//! Functions on arrays and objects.

use super::Context;
use crate::jq::access::{described, extreme, get};
use crate::jq::fault::{Outcome, raise};
use crate::jq::memory::Meter;
use crate::jq::operators::add;
use crate::jq::order::{compare, is_equal, sort};
use crate::jq::value::{ENTRY_BYTES, Object, Text, Value};
use crate::jq::write;

pub(super) fn find(name: &str, arguments: usize) -> Option<fn(&mut Context, Value, &mut [Value]) -> Outcome> {
    Some(match (name, arguments) {
        ("add", 0) => |context, input, _| {
            let mut sum = Value::Null;
            for item in items(&input)? {
                context.meter.spend(1)?;
                sum = add(sum, item.clone(), &mut context.meter)?;
            }
            Ok(sum)
        },
        ("join", 1) => |context, input, arguments| join(&input, &arguments[0], &mut context.meter),
        ("flatten", 0) => |context, input, _| flatten(&input, &Value::Number(-1.0), &mut context.meter),
        ("flatten", 1) => |context, input, arguments| {
            if compare(&arguments[0], &Value::Number(0.0), &mut context.meter)?.is_lt() {
                return raise("flatten depth must not be negative");
            }
            flatten(&input, &arguments[0], &mut context.meter)
        },
        ("reverse", 0) => |context, input, _| reverse(&input, &mut context.meter),
        ("to_entries", 0) => |context, input, _| to_entries(&input, &mut context.meter),
        ("from_entries", 0) => |context, input, _| from_entries(&input, &mut context.meter),
        ("sort", 0) => |context, input, _| {
            if !matches!(&input, Value::Array(_)) {
                return raise(format!("{} cannot be sorted, as it is not an array", described(&input)));
            }
            let sorted = sorted_by(&input, &input, &mut context.meter)?;
            Ok(Value::array(sorted.into_iter().map(|(_, item)| item)))
        },
        ("_sort_by", 1) => |context, input, arguments| {
            let sorted = sorted_by(&input, &arguments[0], &mut context.meter)?;
            Ok(Value::array(sorted.into_iter().map(|(_, item)| item)))
        },
        ("_group_by", 1) => |context, input, arguments| {
            let sorted = sorted_by(&input, &arguments[0], &mut context.meter)?;
            group(sorted, &mut context.meter)
        },
        ("min", 0) => |context, input, _| extreme_of(&input, &input, false, &mut context.meter),
        ("max", 0) => |context, input, _| extreme_of(&input, &input, true, &mut context.meter),
        ("_min_by", 1) => |context, input, arguments| extreme_of(&input, &arguments[0], false, &mut context.meter),
        ("_max_by", 1) => |context, input, arguments| extreme_of(&input, &arguments[0], true, &mut context.meter),
        ("_named", 0) => |context, input, _| named(&input, &mut context.meter),
        _ => return None,
    })
}

/// What `.[]` yields.
fn items(of: &Value) -> Outcome<Box<dyn Iterator<Item = &Value> + '_>> {
    match of {
        Value::Array(array) => Ok(Box::new(array.items().iter())),
        Value::Object(object) => Ok(Box::new(object.entries().map(|(_, value)| value))),
        other => raise(format!("Cannot iterate over {}", described(other))),
    }
}

fn join(of: &Value, separator: &Value, meter: &mut Meter) -> Outcome {
    let mut joined: Option<Value> = None;
    for item in items(of)? {
        meter.spend(1)?;
        let item = match item {
            Value::Null => Value::text(""),
            Value::Bool(_) | Value::Number(_) => Value::text(write::json(item, meter)?),
            other => other.clone(),
        };
        let before = match joined {
            None => Value::text(""),
            Some(joined) => add(joined, separator.clone(), meter)?,
        };
        joined = Some(add(before, item, meter)?);
    }
    Ok(joined.unwrap_or_else(|| Value::text("")))
}

/// Takes arrays out of arrays, to a depth that is counted down until it is zero.
fn flatten(of: &Value, depth: &Value, meter: &mut Meter) -> Outcome {
    let mut flat = Vec::new();
    flatten_into(of, depth, &mut flat, meter)?;
    Ok(Value::array(flat))
}

fn flatten_into(of: &Value, depth: &Value, flat: &mut Vec<Value>, meter: &mut Meter) -> Outcome<()> {
    let is_over = matches!(depth, Value::Number(0.0));
    for item in items(of)? {
        meter.spend(1)?;
        match (item, depth) {
            (Value::Array(_), _) if is_over => flat.push(item.clone()),
            (Value::Array(_), Value::Number(depth)) => {
                flatten_into(item, &Value::Number(depth - 1.0), flat, meter)?;
            }
            (Value::Array(_), depth) => {
                return raise(format!("{} and number (1) cannot be subtracted", described(depth)));
            }
            _ => flat.push(item.clone()),
        }
        meter.room(flat.len() * size_of::<Value>())?;
    }
    Ok(())
}

fn reverse(of: &Value, meter: &mut Meter) -> Outcome {
    match of {
        Value::Array(array) => {
            meter.spend(array.len())?;
            meter.room(array.len() * size_of::<Value>())?;
            Ok(Value::array(array.items().iter().rev().cloned()))
        }
        // Nothing is reversed where there is nothing.
        Value::Null | Value::Number(0.0) => Ok(Value::array([])),
        Value::Object(object) if object.len() == 0 => Ok(Value::array([])),
        Value::Text(text) if text.as_str().is_empty() => Ok(Value::array([])),
        Value::Bool(_) => raise(format!("{} has no length", described(of))),
        other => raise(format!("Cannot index {} with number", other.kind())),
    }
}

fn to_entries(of: &Value, meter: &mut Meter) -> Outcome {
    let count = match of {
        Value::Array(array) => array.len(),
        Value::Object(object) => object.len(),
        other => return raise(format!("{} has no keys", described(other))),
    };
    meter.spend(count * 2)?;
    meter.room(count.saturating_mul(ENTRY_BYTES * 4))?;
    let (key_name, value_name) = (Text::new("key".to_owned()), Text::new("value".to_owned()));
    let made = (0..count).filter_map(|at| {
        let (key, value) = match of {
            Value::Array(array) => (Value::Number(at as f64), array.items().get(at)?),
            Value::Object(object) => object.entry(at).map(|(key, value)| (Value::Text(key.clone()), value))?,
            _ => return None,
        };
        let entry = [(key_name.clone(), key), (value_name.clone(), value.clone())];
        Some(Value::Object(Object::from_iter(entry)))
    });
    Ok(Value::array(made))
}

/// An object of entries, whose keys and values may be written large.
fn from_entries(of: &Value, meter: &mut Meter) -> Outcome {
    let key_names = ["key", "Key", "name", "Name"].map(Value::text);
    let value_names = ["value", "Value"].map(Value::text);
    let mut made = Object::default();
    for entry in items(of)? {
        meter.spend(2)?;
        let mut key = Value::Null;
        for name in &key_names {
            key = get(entry, name, meter)?;
            if key.is_truthy() {
                break;
            }
        }
        let has_value = matches!(entry, Value::Object(object) if object.field("value").is_some());
        let value = get(entry, &value_names[usize::from(!has_value)], meter)?;
        let Value::Text(key) = key else {
            return raise(format!("Cannot use {} as object key", described(&key)));
        };
        meter.room(ENTRY_BYTES)?;
        made.insert(key, value, meter)?;
    }
    Ok(Value::Object(made))
}

fn sort_keyed(
    items: impl Iterator<Item = (Value, Value)>,
    count: usize,
    meter: &mut Meter,
) -> Outcome<Vec<(Value, Value)>> {
    meter.spend(count)?;
    // The items, their halves with the room that they had, and what they are merged into.
    meter.room(count * size_of::<(Value, Value)>() * 4)?;
    sort(items.collect(), meter)
}

fn sorted_by(of: &Value, keys: &Value, meter: &mut Meter) -> Outcome<Vec<(Value, Value)>> {
    let (Value::Array(array), Value::Array(keys)) = (of, keys) else {
        return raise(format!(
            "{} and {} cannot be sorted, as they are not both arrays",
            described(of),
            described(keys)
        ));
    };
    let keyed = keys.items().iter().cloned().zip(array.items().iter().cloned());
    sort_keyed(keyed, array.len(), meter)
}

/// Those with like keys together, which follow each other.
fn group(sorted: Vec<(Value, Value)>, meter: &mut Meter) -> Outcome {
    let mut groups: Vec<Value> = Vec::new();
    let mut last: Option<Value> = None;
    let sorted_bytes = sorted.len() * size_of::<(Value, Value)>();
    for (key, item) in sorted {
        meter.room(sorted_bytes + groups.len() * 2 * size_of::<Value>())?;
        let is_like = match &last {
            Some(last) => is_equal(last, &key, meter)?,
            None => false,
        };
        match groups.last_mut() {
            Some(Value::Array(group)) if is_like => group.push(item),
            _ => groups.push(Value::array([item])),
        }
        last = Some(key);
    }
    Ok(Value::array(groups))
}

fn extreme_of(of: &Value, keys: &Value, greatest: bool, meter: &mut Meter) -> Outcome {
    match (of, keys) {
        (Value::Array(array), Value::Array(keys)) if array.len() == keys.len() => {
            extreme(array.items(), keys.items(), greatest, meter)
        }
        (of, keys) => raise(format!(
            "{} and {} cannot be iterated over",
            described(of),
            described(keys)
        )),
    }
}

/// What the groups with names of a match captured.
fn named(found: &Value, meter: &mut Meter) -> Outcome {
    let mut named = Object::default();
    let (captures, name, string) = (Value::text("captures"), Value::text("name"), Value::text("string"));
    for capture in items(&get(found, &captures, meter)?)? {
        meter.spend(1)?;
        meter.room(ENTRY_BYTES)?;
        if let Value::Text(name) = get(capture, &name, meter)? {
            named.insert(name, get(capture, &string, meter)?, meter)?;
        }
    }
    Ok(Value::Object(named))
}
