//! The order of values, equality, and sorting by them.

use std::cmp::Ordering;

use super::fault::Outcome;
use super::memory::Meter;
use super::value::{Object, Value};

/// The order of all values: null, false, true, numbers, texts, arrays, objects. What is no number is less than any
/// number, itself too. An array may stand in itself many times over, so comparing is work that is counted.
pub(super) fn compare(left: &Value, right: &Value, meter: &mut Meter) -> Outcome<Ordering> {
    meter.spend(1)?;
    Ok(match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            if left.is_nan() || left < right {
                Ordering::Less
            } else if left == right {
                Ordering::Equal
            } else {
                Ordering::Greater
            }
        }
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.spend_bytes(left.len().min(right.len()))?;
            left.cmp(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            for (left, right) in left.items().iter().zip(right.items()) {
                let order = compare(left, right, meter)?;
                if order.is_ne() {
                    return Ok(order);
                }
            }
            left.len().cmp(&right.len())
        }
        (Value::Object(left), Value::Object(right)) => compare_objects(left, right, meter)?,
        _ => rank(left).cmp(&rank(right)),
    })
}

/// By their keys first, then by the values in the order of the keys.
fn compare_objects(left: &Object, right: &Object, meter: &mut Meter) -> Outcome<Ordering> {
    let (left_keys, right_keys) = (left.sorted_keys(meter)?, right.sorted_keys(meter)?);
    let by_keys = left_keys.iter().map(|key| key.as_str());
    let by_keys = by_keys.cmp(right_keys.iter().map(|key| key.as_str()));
    if by_keys.is_ne() {
        return Ok(by_keys);
    }
    for key in left_keys {
        if let (Some(left), Some(right)) = (left.get(key, meter)?, right.get(key, meter)?) {
            let order = compare(left, right, meter)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
    }
    Ok(Ordering::Equal)
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::Text(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}

/// Whether two values are alike. An array or object is like itself, whatever is in it.
pub(super) fn is_equal(left: &Value, right: &Value, meter: &mut Meter) -> Outcome<bool> {
    match (left, right) {
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) if left.is_same(right) => {
            meter.spend(1)?;
            Ok(true)
        }
        (Value::Array(left), Value::Array(right)) => {
            meter.spend(1)?;
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.items().iter().zip(right.items()) {
                if !is_equal(left, right, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(left), Value::Object(right)) => {
            meter.spend(1 + left.len())?;
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, left) in left.entries() {
                match right.get(key, meter)? {
                    Some(right) if is_equal(left, right, meter)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => Ok(compare(left, right, meter)?.is_eq()),
    }
}

/// Sorts by keys, and what is alike as it stood. The order need not be one, since what is no number has none.
pub(super) fn sort<T>(items: Vec<(Value, T)>, meter: &mut Meter) -> Outcome<Vec<(Value, T)>> {
    if items.len() < 2 {
        return Ok(items);
    }
    meter.spend(items.len())?;
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(left, meter)?, sort(right, meter)?);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some((left_key, _)), Some((right_key, _))) = (left.peek(), right.peek()) {
        let takes_right = compare(left_key, right_key, meter)?.is_gt();
        merged.extend(if takes_right { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
