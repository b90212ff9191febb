//! REST requests to values: members from the path, the query string, the headers and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::encode::time;
use crate::model::{Kind, Location, Member, TimestampFormat};
use crate::{AwsError, Model, Operation, json, query};

pub(crate) struct Parts<'a> {
    pub labels: &'a [(String, String)],
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// The request as a value in awsJson form.
pub(crate) fn decode(model: &Model, operation: &Operation, parts: &Parts<'_>) -> Result<Value, AwsError> {
    let Some((id, structure)) = operation.input.and_then(|id| Some((id, model.structure(id)?))) else {
        return Ok(Value::Object(Map::new()));
    };
    let mut map = match &structure.payload {
        None if structure.members.iter().all(|m| m.location != Location::Body) => Map::new(),
        None => match body_members(model, id, parts.body)? {
            Value::Object(map) => map,
            _ => Map::new(),
        },
        Some(payload) => {
            let mut map = Map::new();
            if let (Some(member), false) = (structure.member(payload), parts.body.is_empty()) {
                map.insert(payload.clone(), payload_value(model, member, parts.body)?);
            }
            map
        }
    };
    for member in &structure.members {
        if let Some(value) = located(model, member, parts)? {
            map.insert(member.name.clone(), value);
        }
    }
    Ok(Value::Object(map))
}

fn body_members(model: &Model, id: crate::ShapeId, body: &[u8]) -> Result<Value, AwsError> {
    // Members are named on the wire by their location names where they have them.
    json::decode(model, Some(id), body)
}

fn payload_value(model: &Model, member: &Member, body: &[u8]) -> Result<Value, AwsError> {
    match model.shape(member.shape).kind {
        Kind::Blob => Ok(STANDARD.encode(body).into()),
        Kind::String => Ok(String::from_utf8_lossy(body).into_owned().into()),
        _ => json::decode(model, Some(member.shape), body),
    }
}

/// A member that stands in the path, the query string or a header.
fn located(model: &Model, member: &Member, parts: &Parts<'_>) -> Result<Option<Value>, AwsError> {
    let name = member.wire_name();
    let shape = model.shape(member.shape);
    match member.location {
        Location::Uri => {
            let label = parts.labels.iter().find(|(label, _)| label == name);
            label.map(|(_, text)| query::scalar(&shape.kind, text)).transpose()
        }
        Location::Query => {
            let mut values = parts
                .query
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value);
            match &shape.kind {
                Kind::List { member, .. } => {
                    let kind = &model.shape(member.shape).kind;
                    let items = values
                        .map(|value| query::scalar(kind, value))
                        .collect::<Result<Vec<_>, _>>()?;
                    Ok((!items.is_empty()).then_some(Value::Array(items)))
                }
                // A map takes every query parameter that no other member names; none of ours needs more.
                Kind::Map { .. } => {
                    let map: Map<_, _> = parts.query.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
                    Ok((!map.is_empty()).then_some(Value::Object(map)))
                }
                kind => values.next().map(|value| query::scalar(kind, value)).transpose(),
            }
        }
        Location::Header => {
            let Some(text) = parts.headers.get(name).and_then(|value| value.to_str().ok()) else {
                return Ok(None);
            };
            let format = member
                .timestamp_format
                .or(shape.timestamp_format)
                .unwrap_or(TimestampFormat::Rfc822);
            match (&shape.kind, format) {
                (Kind::Timestamp, TimestampFormat::Rfc822) => Ok(time::parse_rfc822(text).map(time::seconds)),
                (kind, _) => query::scalar(kind, text).map(Some),
            }
        }
        Location::Headers => {
            let mut map = Map::new();
            for (key, value) in parts.headers {
                if let (Some(rest), Ok(value)) = (key.as_str().strip_prefix(&name.to_ascii_lowercase()), value.to_str())
                {
                    map.insert(rest.to_owned(), value.into());
                }
            }
            Ok((!map.is_empty()).then_some(Value::Object(map)))
        }
        Location::Body | Location::StatusCode => Ok(None),
    }
}
