//! JSON bodies to values, and values to handlers' inputs.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::model::{Kind, Structure};
use crate::{AwsError, Model, ShapeId};

/// Parses a JSON body by the shape of the operation's input. Unknown members and nulls are dropped, as the
/// services do.
pub(crate) fn decode(model: &Model, shape: Option<ShapeId>, body: &[u8]) -> Result<Value, AwsError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| AwsError::serialization(""))?;
    match (shape, value) {
        (Some(shape), value @ Value::Object(_)) => conform(model, shape, value),
        (None, Value::Object(_)) => Ok(Value::Object(Map::new())),
        (_, Value::Array(_)) => Err(AwsError::serialization("Start of list found where not expected")),
        _ => Err(AwsError::serialization("")),
    }
}

/// Checks the types of `value` against the shape.
pub(crate) fn conform(model: &Model, id: ShapeId, value: Value) -> Result<Value, AwsError> {
    let shape = model.shape(id);
    match (&shape.kind, value) {
        (Kind::Structure(structure), value) if structure.document => Ok(value),
        (Kind::Structure(structure), Value::Object(map)) => conform_structure(model, structure, map),
        (Kind::List { member, .. }, Value::Array(items)) => {
            let kept = items.into_iter().filter(|item| !item.is_null());
            kept.map(|item| conform(model, member.shape, item))
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        (Kind::Map { value: element, .. }, Value::Object(map)) => {
            let kept = map.into_iter().filter(|(_, item)| !item.is_null());
            let items = kept.map(|(key, item)| Ok((key, conform(model, element.shape, item)?)));
            items.collect::<Result<_, _>>().map(Value::Object)
        }
        (Kind::String, value @ Value::String(_))
        | (Kind::Boolean, value @ Value::Bool(_))
        | (Kind::Float | Kind::Double | Kind::Timestamp, value @ Value::Number(_)) => Ok(value),
        (Kind::Float | Kind::Double, Value::String(text))
            if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") =>
        {
            Ok(Value::String(text))
        }
        (Kind::Timestamp, Value::String(text)) => crate::encode::time::parse_iso8601(&text)
            .map(crate::encode::time::seconds)
            .ok_or_else(|| mismatch("STRING_VALUE", &Kind::Timestamp)),
        (kind @ (Kind::Integer | Kind::Long), Value::Number(number)) => integer(kind, &number),
        (Kind::Blob, Value::String(text)) => {
            use base64::Engine;
            match base64::engine::general_purpose::STANDARD.decode(&text) {
                Ok(_) => Ok(Value::String(text)),
                Err(_) => Err(AwsError::serialization("Invalid base64 encoding")),
            }
        }
        (_, Value::Array(_)) => Err(AwsError::serialization("Start of list found where not expected")),
        (_, Value::Object(_)) => Err(AwsError::serialization(
            "Start of structure or map found where not expected",
        )),
        (kind, Value::String(_)) => Err(mismatch("STRING_VALUE", kind)),
        (kind, Value::Number(_)) => Err(mismatch("NUMBER_VALUE", kind)),
        (kind, Value::Bool(true)) => Err(mismatch("TRUE_VALUE", kind)),
        (kind, Value::Bool(false)) => Err(mismatch("FALSE_VALUE", kind)),
        (_, Value::Null) => Ok(Value::Null),
    }
}

fn conform_structure(model: &Model, structure: &Structure, mut map: Map<String, Value>) -> Result<Value, AwsError> {
    let mut kept = Map::new();
    for member in &structure.members {
        // Some services' JSON names a member by its location name.
        let given = map
            .remove(&member.name)
            .or_else(|| map.remove(member.location_name.as_deref()?));
        if let Some(item) = given.filter(|item| !item.is_null()) {
            kept.insert(member.name.clone(), conform(model, member.shape, item)?);
        }
    }
    Ok(Value::Object(kept))
}

fn integer(kind: &Kind, number: &serde_json::Number) -> Result<Value, AwsError> {
    let whole = number.as_i64().or_else(|| {
        let float = number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && float.abs() < 9.0e15)?;
        Some(float as i64)
    });
    let fits = whole.filter(|whole| !matches!(kind, Kind::Integer) || i32::try_from(*whole).is_ok());
    fits.map(Value::from).ok_or_else(|| mismatch("NUMBER_VALUE", kind))
}

fn mismatch(found: &str, expected: &Kind) -> AwsError {
    let expected = match expected {
        Kind::String => "a String",
        Kind::Boolean => "a Boolean",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Float => "a Float",
        Kind::Double => "a Double",
        Kind::Blob => "a Blob",
        Kind::Timestamp => "a Timestamp",
        Kind::List { .. } | Kind::Map { .. } => "a collection",
        Kind::Structure(_) => "a structure",
    };
    AwsError::serialization(format!("{found} can not be converted to {expected}"))
}

/// The validated value as the handler's input type. In debug builds an input field that the model does not
/// have is a defect of ours and panics, so that tests find it.
pub(crate) fn input<I: DeserializeOwned>(service: &str, operation: &str, value: Value) -> Result<I, AwsError> {
    #[cfg(debug_assertions)]
    crate::testing::check_input_fields::<I>(service, operation);
    serde_json::from_value(value)
        .map_err(|error| AwsError::serialization(format!("The input of {service}:{operation} cannot be read: {error}")))
}
