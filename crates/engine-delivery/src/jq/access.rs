//! Reaching into values: by key, index, slice and path.

use super::fault::{Outcome, raise};
use super::memory::Meter;
use super::order::{compare, is_equal, sort};
use super::value::{Array, ENTRY_BYTES, Object, Text, Value};
use super::write::shortened;

const BAD_SLICE: &str = "Start and end indices of an array slice must be numbers";

/// What stands at a key, null where nothing does.
pub(super) fn get(of: &Value, key: &Value, meter: &mut Meter) -> Outcome {
    match (of, key) {
        (Value::Object(object), Value::Text(key)) => Ok(object.get(key, meter)?.cloned().unwrap_or_default()),
        (Value::Array(array), Value::Number(index)) => {
            let place = whole_place(*index, array.len());
            Ok(place.and_then(|at| array.items().get(at)).cloned().unwrap_or_default())
        }
        (Value::Array(array), Value::Object(slice)) => {
            let (from, to) = slice_bounds(slice, array.len())?;
            meter.room((to - from) * size_of::<Value>())?;
            meter.spend(to - from)?;
            Ok(Value::array(array.items()[from..to].iter().cloned()))
        }
        (Value::Text(text), Value::Object(slice)) => text_slice(text, slice, meter),
        (Value::Array(array), Value::Array(part)) => occurrences(array, part, meter),
        (Value::Null, Value::Text(_) | Value::Number(_) | Value::Object(_)) => Ok(Value::Null),
        (of, Value::Text(key)) => {
            meter.spend_bytes(key.as_str().len())?;
            meter.room(key.as_str().len())?;
            raise(format!("Cannot index {} with string \"{}\"", of.kind(), key.as_str()))
        }
        (of, key) => raise(format!("Cannot index {} with {}", of.kind(), key.kind())),
    }
}

/// Where a whole number points to, counted from the end where it is negative.
fn whole_place(index: f64, length: usize) -> Option<usize> {
    if index.fract() != 0.0 {
        return None;
    }
    let from_start = if index < 0.0 { index + length as f64 } else { index };
    (from_start >= 0.0 && from_start < length as f64).then_some(from_start as usize)
}

/// The bounds `start` and `end` of a slice within a length, where `end` takes in what it only touches.
fn slice_bounds(slice: &Object, length: usize) -> Outcome<(usize, usize)> {
    let bound = |name, default: f64| match slice.field(name) {
        Some(Value::Null) => Ok(default),
        Some(Value::Number(bound)) => Ok(*bound),
        _ => raise(BAD_SLICE),
    };
    let length = length as f64;
    let (start, end) = (bound("start", 0.0)?, bound("end", length)?);
    if start.is_nan() {
        return raise(BAD_SLICE);
    }
    let within = |bound: f64| if bound < 0.0 { bound + length } else { bound };
    let start = within(start).clamp(0.0, length).floor();
    let end = within(end).ceil();
    let end = if end.is_nan() { start } else { end.clamp(start, length) };
    Ok((start as usize, end as usize))
}

/// A part of a text, in code points.
fn text_slice(text: &Text, slice: &Object, meter: &mut Meter) -> Outcome {
    let text = text.as_str();
    meter.spend_bytes(text.len())?;
    let length = if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    };
    let (from, to) = slice_bounds(slice, length)?;
    let part = if length == text.len() {
        &text[from..to]
    } else {
        let place = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
        &text[place(from)..place(to)]
    };
    meter.room(part.len())?;
    Ok(Value::text(part))
}

/// Where an array stands in another.
fn occurrences(array: &Array, part: &Array, meter: &mut Meter) -> Outcome {
    meter.room(array.len() * size_of::<Value>())?;
    let mut found = Vec::new();
    let (items, part) = (array.items(), part.items());
    for at in 0..items.len() {
        meter.spend(1)?;
        let mut is_here = !part.is_empty() && part.len() <= items.len() - at;
        for (item, wanted) in items[at..].iter().zip(part) {
            is_here = is_here && is_equal(item, wanted, meter)?;
            if !is_here {
                break;
            }
        }
        if is_here {
            found.push(Value::Number(at as f64));
        }
    }
    Ok(Value::array(found))
}

/// Puts a value at a key.
fn set(of: Value, key: &Value, value: Value, meter: &mut Meter) -> Outcome {
    match (of, key) {
        (Value::Null, Value::Text(_)) => set(Value::Object(Object::default()), key, value, meter),
        (Value::Null, Value::Number(_) | Value::Object(_)) => set(Value::array([]), key, value, meter),
        (Value::Object(mut object), Value::Text(key)) => {
            change_costs(object.cost_of_change(), meter)?;
            meter.room(ENTRY_BYTES)?;
            object.insert(key.clone(), value, meter)?;
            Ok(Value::Object(object))
        }
        (Value::Array(mut array), Value::Number(index)) => {
            let index = index.trunc();
            let from_start = if index < 0.0 { index + array.len() as f64 } else { index };
            if from_start.is_nan() || from_start < 0.0 {
                return raise("Out of bounds negative array index");
            }
            // Beyond all memory it saturates.
            let at = from_start as usize;
            change_costs(array.cost_of_change(), meter)?;
            if at >= array.len() {
                meter.room(at.saturating_mul(size_of::<Value>()))?;
                meter.spend(at - array.len())?;
            }
            array.set(at, value);
            Ok(Value::Array(array))
        }
        (Value::Array(array), Value::Object(slice)) => {
            let Value::Array(value) = value else {
                return raise("A slice of an array can only be assigned another array");
            };
            let (from, to) = slice_bounds(slice, array.len())?;
            let (items, length) = (array.items(), array.len() + value.len());
            meter.room(length * size_of::<Value>())?;
            meter.spend(length)?;
            let parts = [&items[..from], value.items(), &items[to..]];
            Ok(Value::array(parts.into_iter().flatten().cloned()))
        }
        (Value::Array(_), Value::Array(_)) => raise("Cannot update field at array index of array"),
        (of, key) => raise(format!("Cannot update {} with a {} key", of.kind(), key.kind())),
    }
}

fn change_costs(bytes: usize, meter: &mut Meter) -> Outcome<()> {
    meter.room(bytes)?;
    meter.spend_bytes(bytes)
}

/// What stands at a path, taken out to be changed where nothing else holds what it stands in.
pub(super) fn take_path(of: &mut Value, path: &Value, meter: &mut Meter) -> Outcome {
    let keys = keys_of(path)?;
    meter.spend(keys.len())?;
    let mut place = &mut *of;
    for key in keys {
        let inner = match (place, key) {
            (Value::Object(object), Value::Text(key)) => object.get_mut(key, meter)?,
            (Value::Array(array), Value::Number(index)) => {
                whole_place(*index, array.len()).and_then(|at| array.get_mut(at))
            }
            _ => None,
        };
        match inner {
            Some(inner) => place = inner,
            None => return get_path(of, path, meter),
        }
    }
    Ok(std::mem::take(place))
}

/// Takes out what stands at a key, so that it can be changed where it is.
fn take(of: &mut Value, key: &Value, meter: &mut Meter) -> Outcome {
    match (of, key) {
        (Value::Object(object), Value::Text(key)) if object.cost_of_change() == 0 => object.take(key, meter),
        (Value::Array(array), Value::Number(index)) if array.cost_of_change() == 0 => {
            match whole_place(*index, array.len()) {
                Some(at) => Ok(array.take(at)),
                None => Ok(Value::Null),
            }
        }
        (of, key) => get(of, key, meter),
    }
}

/// The keys of a path.
fn keys_of(path: &Value) -> Outcome<&[Value]> {
    match path {
        Value::Array(path) => Ok(path.items()),
        _ => raise("Path must be specified as an array"),
    }
}

/// What stands at a path.
pub(super) fn get_path(of: &Value, path: &Value, meter: &mut Meter) -> Outcome {
    let keys = keys_of(path)?;
    meter.spend(keys.len())?;
    let mut found = of.clone();
    for key in keys {
        found = get(&found, key, meter)?;
    }
    Ok(found)
}

/// Puts a value at a path, making what is not there on the way.
pub(super) fn set_path(of: Value, path: &Value, value: Value, meter: &mut Meter) -> Outcome {
    let keys = keys_of(path)?;
    meter.spend(keys.len())?;
    meter.room(keys.len().saturating_mul(ENTRY_BYTES))?;
    // From the outside in, and back.
    let mut holders = Vec::with_capacity(keys.len());
    let mut current = of;
    for key in keys {
        let inner = take(&mut current, key, meter)?;
        holders.push((current, key));
        current = inner;
    }
    let mut made = value;
    while let Some((holder, key)) = holders.pop() {
        if made.depth() > super::DEPTH_MAX {
            return Err(super::too_deep());
        }
        made = set(holder, key, made, meter)?;
    }
    Ok(made)
}

/// Takes out what stands at paths, those behind first, so that they mean what they meant.
pub(super) fn delete_paths(of: Value, paths: &Value, meter: &mut Meter) -> Outcome {
    let Value::Array(paths) = paths else {
        return raise("Paths must be specified as an array");
    };
    meter.spend(paths.len())?;
    meter.room(paths.len() * size_of::<(Value, Array)>())?;
    let mut sorted = Vec::with_capacity(paths.len());
    for path in paths.items() {
        match path {
            Value::Array(keys) => sorted.push((path.clone(), keys.clone())),
            other => return raise(format!("Path must be specified as array, not {}", other.kind())),
        }
    }
    let sorted: Vec<_> = sort(sorted, meter)?.into_iter().map(|(_, keys)| keys).collect();
    match sorted.first() {
        None => Ok(of),
        Some(first) if first.len() == 0 => Ok(Value::Null),
        Some(_) => delete_sorted(of, &sorted, 0, meter),
    }
}

/// `paths` agree in the keys before `at` and have one there, but for what is no number, which sorts anywhere.
fn delete_sorted(mut of: Value, paths: &[Array], at: usize, meter: &mut Meter) -> Outcome {
    // A slice of a slice is no deeper, so that paths may be longer than values are deep.
    if at >= super::DEPTH_MAX as usize {
        return Err(super::too_deep());
    }
    let mut keys = Vec::new();
    let mut rest = paths;
    while let Some(first) = rest.first() {
        let Some(key) = first.items().get(at) else {
            rest = &rest[1..];
            continue;
        };
        let mut length = 0;
        for path in rest {
            match path.items().get(at) {
                Some(other) if is_equal(key, other, meter)? => length += 1,
                _ => break,
            }
        }
        // What is no number equals nothing, not even itself.
        let (group, others) = rest.split_at(length.max(1));
        if first.len() == at + 1 {
            keys.push(key.clone());
        } else {
            let inner = get(&of, key, meter)?;
            if !matches!(inner, Value::Null) {
                take(&mut of, key, meter)?;
                let left = delete_sorted(inner, group, at + 1, meter)?;
                of = set(of, key, left, meter)?;
            }
        }
        rest = others;
    }
    delete_keys(of, &keys, meter)
}

fn delete_keys(of: Value, keys: &[Value], meter: &mut Meter) -> Outcome {
    if keys.is_empty() {
        return Ok(of);
    }
    match of {
        Value::Null => Ok(Value::Null),
        Value::Array(array) => delete_items(&array, keys, meter),
        Value::Object(mut object) => {
            change_costs(object.cost_of_change(), meter)?;
            for key in keys {
                let Value::Text(key) = key else {
                    return raise(format!("Cannot delete {} field of object", key.kind()));
                };
                object.remove(key, meter)?;
            }
            Ok(Value::Object(object))
        }
        other => raise(format!("Cannot delete fields from {}", other.kind())),
    }
}

fn delete_items(array: &Array, keys: &[Value], meter: &mut Meter) -> Outcome {
    let length = array.len();
    meter.room(length * size_of::<Value>())?;
    meter.spend(length)?;
    let mut keeps = vec![true; length];
    for key in keys {
        match key {
            Value::Number(index) => {
                let is_from_end = *index < 0.0;
                let from_start = index.trunc() + if is_from_end { length as f64 } else { 0.0 };
                if from_start >= 0.0 && from_start < length as f64 {
                    keeps[from_start as usize] = false;
                }
            }
            Value::Object(slice) => {
                let (from, to) = slice_bounds(slice, length)?;
                meter.spend(to - from)?;
                keeps[from..to].fill(false);
            }
            other => return raise(format!("Cannot delete {} element of array", other.kind())),
        }
    }
    let kept = array.items().iter().zip(keeps).filter(|(_, keeps)| *keeps);
    Ok(Value::array(kept.map(|(item, _)| item.clone())))
}

/// Whether there is something at a key.
pub(super) fn has(of: &Value, key: &Value, meter: &mut Meter) -> Outcome {
    match (of, key) {
        (Value::Object(object), Value::Text(key)) => Ok(Value::Bool(object.get(key, meter)?.is_some())),
        (Value::Array(array), Value::Number(index)) => {
            let index = index.trunc();
            Ok(Value::Bool(index >= 0.0 && index < array.len() as f64))
        }
        (Value::Null, _) => Ok(Value::Bool(false)),
        (of, key) => raise(format!("Cannot check whether {} has a {} key", of.kind(), key.kind())),
    }
}

pub(super) fn keys(of: &Value, is_sorted: bool, meter: &mut Meter) -> Outcome {
    match of {
        Value::Array(array) => {
            meter.spend(array.len())?;
            meter.room(array.len() * size_of::<Value>())?;
            Ok(Value::array((0..array.len()).map(|at| Value::Number(at as f64))))
        }
        Value::Object(object) => {
            meter.spend(object.len())?;
            meter.room(object.len() * size_of::<Value>())?;
            let keys: Vec<_> = match is_sorted {
                true => object.sorted_keys(meter)?,
                false => object.entries().map(|(key, _)| key).collect(),
            };
            Ok(Value::array(keys.into_iter().cloned().map(Value::Text)))
        }
        other => raise(format!("{} has no keys", described(other))),
    }
}

/// Whether a value holds another in it, texts in texts, items in items, keys in keys.
pub(super) fn contains(of: &Value, part: &Value, meter: &mut Meter) -> Outcome<bool> {
    meter.spend(1)?;
    match (of, part) {
        (Value::Object(of), Value::Object(part)) => {
            for (key, part) in part.entries() {
                match of.get(key, meter)? {
                    Some(of) if contains(of, part, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Array(of), Value::Array(part)) => {
            for part in part.items() {
                let mut is_there = false;
                for of in of.items() {
                    is_there = contains(of, part, meter)?;
                    if is_there {
                        break;
                    }
                }
                if !is_there {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Text(of), Value::Text(part)) => {
            // Both end where C says that they do.
            let ends = |text: &str| text.find('\0').unwrap_or(text.len());
            let (of, part) = (of.as_str(), part.as_str());
            meter.spend_bytes(of.len() + part.len())?;
            Ok(of[..ends(of)].contains(&part[..ends(part)]))
        }
        (of, part) => is_equal(of, part, meter),
    }
}

/// The least or the greatest of items by keys; of several greatest the last.
pub(super) fn extreme(items: &[Value], keys: &[Value], greatest: bool, meter: &mut Meter) -> Outcome {
    let mut best = 0;
    for at in 1..items.len() {
        let order = compare(&keys[at], &keys[best], meter)?;
        if order.is_lt() != greatest {
            best = at;
        }
    }
    Ok(items.get(best).cloned().unwrap_or_default())
}

/// A value in a message: its kind, and how it begins.
pub(super) fn described(value: &Value) -> String {
    format!("{} ({})", value.kind(), shortened(value))
}
