//! CBOR bodies: awsJson's twin (`application/x-amz-cbor-1.1`) and Smithy RPC v2.
//!
//! Both carry blobs as byte strings and timestamps under tag 1; the first counts milliseconds as an integer,
//! the second seconds as a float.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use ciborium::value::Integer;
use serde_json::{Map, Number, Value};

use crate::encode::time;
use crate::model::Kind;
use crate::{AwsError, Model, ShapeId, Wire, json};

const EPOCH_TAG: u64 = 1;

/// Parses a body to a value in awsJson form.
pub(crate) fn decode(model: &Model, shape: Option<ShapeId>, body: &[u8], wire: Wire) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut rest = body;
    let cbor: Cbor = ciborium::from_reader(&mut rest).map_err(|_| AwsError::serialization(""))?;
    if !rest.is_empty() || !matches!(cbor, Cbor::Map(_)) {
        return Err(AwsError::serialization(""));
    }
    match shape {
        Some(shape) => json::conform(model, shape, to_json(cbor, wire)?),
        None => Ok(Value::Object(Map::new())),
    }
}

fn to_json(cbor: Cbor, wire: Wire) -> Result<Value, AwsError> {
    Ok(match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        Cbor::Integer(integer) => {
            let wide = i128::from(integer);
            let narrow = i64::try_from(wide)
                .map(Number::from)
                .or_else(|_| u64::try_from(wide).map(Number::from));
            Value::Number(narrow.map_err(|_| AwsError::serialization("A number is out of range"))?)
        }
        Cbor::Float(float) => float_value(float),
        Cbor::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| to_json(item, wire))
                .collect::<Result<_, _>>()?,
        ),
        Cbor::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Cbor::Text(key) = key else {
                    return Err(AwsError::serialization("A map key is not a text"));
                };
                map.insert(key, to_json(value, wire)?);
            }
            Value::Object(map)
        }
        Cbor::Tag(EPOCH_TAG, inner) => match (wire, to_json(*inner, wire)?) {
            (Wire::AmzCbor, Value::Number(ms)) => {
                let ms = ms.as_i64().or_else(|| Some(ms.as_f64()? as i64)).unwrap_or_default();
                time::seconds(ms)
            }
            (_, value) => value,
        },
        _ => return Err(AwsError::serialization("")),
    })
}

/// JSON has no numbers for these three; their names are the JSON protocols' form.
fn float_value(float: f64) -> Value {
    match Number::from_f64(float) {
        Some(number) => Value::Number(number),
        None if float.is_nan() => "NaN".into(),
        None if float > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// Writes an output by its shape.
pub(crate) fn encode(model: &Model, shape: Option<ShapeId>, value: Value, wire: Wire) -> Result<Vec<u8>, AwsError> {
    match shape {
        Some(shape) => write(&from_json(model, shape, value, wire)?),
        None if wire == Wire::RpcCbor => Ok(Vec::new()),
        None => write(&Cbor::Map(Vec::new())),
    }
}

/// Writes a value that has neither blobs nor timestamps: an error.
pub(crate) fn plain(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = ciborium::into_writer(value, &mut out);
    out
}

fn write(cbor: &Cbor) -> Result<Vec<u8>, AwsError> {
    let mut out = Vec::new();
    ciborium::into_writer(cbor, &mut out).map_err(AwsError::internal)?;
    Ok(out)
}

fn from_json(model: &Model, id: ShapeId, value: Value, wire: Wire) -> Result<Cbor, AwsError> {
    Ok(match (&model.shape(id).kind, value) {
        (Kind::Structure(structure), Value::Object(mut map)) if !structure.document => {
            let mut entries = Vec::new();
            for member in &structure.members {
                if let Some(item) = map.remove(&member.name).filter(|item| !item.is_null()) {
                    entries.push((
                        Cbor::Text(member.name.clone()),
                        from_json(model, member.shape, item, wire)?,
                    ));
                }
            }
            Cbor::Map(entries)
        }
        (Kind::List { member, .. }, Value::Array(items)) => {
            let items = items.into_iter().map(|item| from_json(model, member.shape, item, wire));
            Cbor::Array(items.collect::<Result<_, _>>()?)
        }
        (Kind::Map { value: element, .. }, Value::Object(map)) => {
            let entries = map
                .into_iter()
                .map(|(key, item)| Ok((Cbor::Text(key), from_json(model, element.shape, item, wire)?)));
            Cbor::Map(entries.collect::<Result<_, AwsError>>()?)
        }
        (Kind::Blob, Value::String(text)) => Cbor::Bytes(STANDARD.decode(text).map_err(AwsError::internal)?),
        (Kind::Timestamp, value) => {
            let ms = time::millis(&value).ok_or_else(|| AwsError::internal("a timestamp that is no number"))?;
            let number = match wire {
                Wire::AmzCbor => Cbor::Integer(Integer::from(ms)),
                _ => Cbor::Float(ms as f64 / 1000.0),
            };
            Cbor::Tag(EPOCH_TAG, Box::new(number))
        }
        (Kind::Float | Kind::Double, Value::String(text)) => Cbor::Float(match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        }),
        (Kind::Float | Kind::Double, Value::Number(number)) => Cbor::Float(number.as_f64().unwrap_or_default()),
        (_, value) => Cbor::serialized(&value).map_err(AwsError::internal)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blobs_and_timestamps_take_each_wires_form() {
        let model = Model::get("kinesis").expect("embedded");
        let shape = model.operations["GetShardIterator"].input;
        for (wire, epoch) in [
            (Wire::AmzCbor, Cbor::Integer(1_440_938_160_123_i64.into())),
            (Wire::RpcCbor, Cbor::Float(1_440_938_160.123)),
        ] {
            let body = write(&Cbor::Map(vec![
                (Cbor::Text("StreamName".into()), Cbor::Text("a".into())),
                (Cbor::Text("Timestamp".into()), Cbor::Tag(1, Box::new(epoch.clone()))),
            ]))
            .expect("writes");
            let value = decode(model, shape, &body, wire).expect("decodes");
            assert_eq!(value, json!({ "StreamName": "a", "Timestamp": 1_440_938_160.123 }));
        }
        let output = model.operations["GetRecords"].output;
        let value = json!({ "Records": [{ "Data": "aGk=", "ApproximateArrivalTimestamp": 2, "SequenceNumber": "1", "PartitionKey": "k" }] });
        let bytes = encode(model, output, value, Wire::AmzCbor).expect("encodes");
        let Cbor::Map(entries) = ciborium::from_reader(bytes.as_slice()).expect("cbor") else {
            panic!("no map")
        };
        let text = format!("{entries:?}");
        assert!(
            text.contains("Bytes([104, 105])") && text.contains("Tag(1, Integer(Integer(2000)))"),
            "{text}"
        );
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let model = Model::get("kinesis").expect("embedded");
        let shape = model.operations["GetShardIterator"].input;
        for body in [&[0xff][..], &[0x01], &[0xa1, 0x01, 0x02], &[0xbf], &[0xa0, 0x00]] {
            let error = decode(model, shape, body, Wire::AmzCbor).expect_err("refused");
            assert_eq!(error.code, "SerializationException", "{body:?}");
        }
    }
}
