//! Values to each protocol's answers, and errors to each protocol's form.

pub(crate) mod time;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

use crate::model::{Kind, Location, TimestampFormat};
use crate::service::Output;
use crate::{AwsError, Body, Model, Operation, ShapeId, Wire, cbor, empty_body, full_body, query, xml};

/// The answer to a call that succeeded.
pub(crate) fn success(
    model: &Model,
    operation: &Operation,
    wire: Wire,
    request_id: &str,
    output: &dyn Output,
) -> Result<Response<Body>, AwsError> {
    #[cfg(debug_assertions)]
    crate::testing::check_output(model, operation, output);
    let value = || output.to_value().map_err(AwsError::internal);
    let body = match wire {
        Wire::Json { .. } => match operation.output {
            None => Bytes::new(),
            Some(shape) if has_odd_timestamps(model, shape, 0) => json_bytes(&shaped(model, shape, None, value()?))?,
            Some(_) => output.to_json().map_err(AwsError::internal)?.into(),
        },
        Wire::AmzCbor | Wire::RpcCbor => cbor::encode(model, operation.output, value()?, wire)?.into(),
        Wire::Query => query::encode(model, operation, value()?, request_id)?.into(),
        Wire::RestJson | Wire::RestXml => return rest(model, operation, wire, value()?),
    };
    Ok(respond(wire, StatusCode::OK, body))
}

/// An answer whose body is already written.
pub(crate) fn respond(wire: Wire, status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(wire.content_type()));
    if wire == Wire::RpcCbor {
        response
            .headers_mut()
            .insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

/// The answer to a call that failed, in the protocol's own form.
pub(crate) fn error(model: Option<&Model>, wire: Wire, request_id: &str, error: &AwsError) -> Response<Body> {
    let shape = model.and_then(|model| model.error(&error.code));
    let trait_ = shape.and_then(|shape| shape.error.as_ref());
    let status = error.status.or(trait_.and_then(|t| t.http_status_code)).unwrap_or(400);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let code = trait_
        .and_then(|t| t.code.clone())
        .unwrap_or_else(|| error.code.clone().into_owned());
    let mut response = match wire {
        Wire::RestXml => respond(wire, status, xml::s3_error(&code, &error.message, request_id)),
        Wire::Query => {
            let namespace = model.and_then(|model| model.metadata.xml_namespace.as_deref());
            let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
            respond(
                wire,
                status,
                xml::error(namespace, kind, &code, &error.message, request_id),
            )
        }
        Wire::AmzCbor | Wire::RpcCbor => {
            let body = cbor::plain(&error_value(shape, error, error_type(model, wire, error)));
            respond(wire, status, body)
        }
        Wire::Json { .. } | Wire::RestJson => {
            let value = error_value(shape, error, error_type(model, wire, error));
            respond(wire, status, value.to_string())
        }
    };
    if let Ok(code) = HeaderValue::from_str(&code) {
        match wire {
            Wire::RestJson => drop(response.headers_mut().insert("x-amzn-errortype", code)),
            Wire::Query | Wire::RestXml => {}
            _ => {
                // Query-compatible services tell the Query protocol's code in a header.
                let fault = if status.is_server_error() { "Receiver" } else { "Sender" };
                if let Ok(both) = HeaderValue::from_str(&format!("{};{fault}", code.to_str().unwrap_or_default())) {
                    response.headers_mut().insert("x-amzn-query-error", both);
                }
            }
        }
    }
    response
}

/// What `__type` says: the shape's name, with the model's namespace in Smithy's own protocol.
fn error_type(model: Option<&Model>, wire: Wire, error: &AwsError) -> String {
    match (wire, model) {
        (Wire::RpcCbor, Some(model)) => format!("com.amazonaws.{}#{}", model.name.replace('-', ""), error.code),
        _ => error.code.clone().into_owned(),
    }
}

fn error_value(shape: Option<&crate::Shape>, error: &AwsError, kind: String) -> Value {
    let mut map = Map::new();
    map.insert("__type".into(), kind.into());
    let message = match shape.map(|shape| &shape.kind) {
        Some(Kind::Structure(structure)) => structure
            .members
            .iter()
            .find(|m| m.name.eq_ignore_ascii_case("message"))
            .map_or("message", |m| m.name.as_str()),
        _ => "message",
    };
    if !error.message.is_empty() {
        map.insert(message.into(), error.message.clone().into());
    }
    map.extend(error.fields.clone());
    Value::Object(map)
}

pub(crate) fn json_bytes(value: &Value) -> Result<Bytes, AwsError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(AwsError::internal)
}

/// Whether a JSON body of this shape holds timestamps in another form than seconds.
fn has_odd_timestamps(model: &Model, id: ShapeId, depth: usize) -> bool {
    const DEPTH_MAX: usize = 12;
    let shape = model.shape(id);
    if depth > DEPTH_MAX {
        return false;
    }
    let odd = |format: Option<TimestampFormat>| format.is_some_and(|format| format != TimestampFormat::Unix);
    match &shape.kind {
        Kind::Structure(structure) => structure
            .members
            .iter()
            .any(|m| odd(m.timestamp_format) || has_odd_timestamps(model, m.shape, depth + 1)),
        Kind::List { member, .. } => has_odd_timestamps(model, member.shape, depth + 1),
        Kind::Map { value, .. } => has_odd_timestamps(model, value.shape, depth + 1),
        Kind::Timestamp => odd(shape.timestamp_format),
        _ => false,
    }
}

/// The value with wire names and the shape's timestamp formats: what restJson bodies hold.
fn shaped(model: &Model, id: ShapeId, format: Option<TimestampFormat>, value: Value) -> Value {
    let shape = model.shape(id);
    match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(mut map)) if !structure.document => {
            let mut out = Map::new();
            for member in &structure.members {
                if let Some(item) = map.remove(&member.name).filter(|item| !item.is_null()) {
                    let item = shaped(model, member.shape, member.timestamp_format, item);
                    out.insert(member.wire_name().to_owned(), item);
                }
            }
            Value::Object(out)
        }
        (Kind::List { member, .. }, Value::Array(items)) => items
            .into_iter()
            .map(|item| shaped(model, member.shape, None, item))
            .collect(),
        (Kind::Map { value: element, .. }, Value::Object(map)) => Value::Object(
            map.into_iter()
                .map(|(key, item)| (key, shaped(model, element.shape, None, item)))
                .collect(),
        ),
        (Kind::Timestamp, value) => match format.or(shape.timestamp_format).unwrap_or(TimestampFormat::Unix) {
            TimestampFormat::Unix => value,
            other => time::format(&value, other).into(),
        },
        (_, value) => value,
    }
}

/// A REST answer: status, headers and payload by the members' locations.
fn rest(model: &Model, operation: &Operation, wire: Wire, value: Value) -> Result<Response<Body>, AwsError> {
    let status = StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK);
    let Some((id, structure)) = operation.output.and_then(|id| Some((id, model.structure(id)?))) else {
        let mut response = Response::new(empty_body());
        *response.status_mut() = status;
        return Ok(response);
    };
    let Value::Object(mut map) = value else {
        return Err(AwsError::internal("an output that is no structure"));
    };
    let mut response = respond(wire, status, Bytes::new());
    for member in &structure.members {
        match member.location {
            Location::Header => {
                let Some(item) = map.remove(&member.name).filter(|item| !item.is_null()) else {
                    continue;
                };
                let shape = model.shape(member.shape);
                let text = match (&shape.kind, &item) {
                    (Kind::Timestamp, item) => time::format(
                        item,
                        member
                            .timestamp_format
                            .or(shape.timestamp_format)
                            .unwrap_or(TimestampFormat::Rfc822),
                    ),
                    (_, Value::String(text)) => text.clone(),
                    (_, item) => item.to_string(),
                };
                if let (Ok(name), Ok(text)) = (HeaderName::try_from(member.wire_name()), HeaderValue::from_str(&text)) {
                    response.headers_mut().insert(name, text);
                }
            }
            Location::Headers => {
                let Some(Value::Object(items)) = map.remove(&member.name) else {
                    continue;
                };
                for (key, item) in items {
                    let name = format!("{}{key}", member.wire_name());
                    let text = item.as_str().unwrap_or_default();
                    if let (Ok(name), Ok(text)) = (HeaderName::try_from(name), HeaderValue::from_str(text)) {
                        response.headers_mut().insert(name, text);
                    }
                }
            }
            Location::StatusCode => {
                if let Some(code) = map
                    .remove(&member.name)
                    .and_then(|code| u16::try_from(code.as_u64()?).ok())
                {
                    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(status);
                }
            }
            _ => {}
        }
    }
    let body = match &structure.payload {
        None => json_bytes(&shaped(model, id, None, Value::Object(map)))?,
        Some(payload) => match (structure.member(payload), map.remove(payload)) {
            (Some(member), Some(item)) => match (&model.shape(member.shape).kind, item) {
                (Kind::Blob, Value::String(text)) => STANDARD.decode(text).map_err(AwsError::internal)?.into(),
                (Kind::String, Value::String(text)) => Bytes::from(text),
                (_, item) => json_bytes(&shaped(model, member.shape, member.timestamp_format, item))?,
            },
            _ => Bytes::new(),
        },
    };
    *response.body_mut() = full_body(body);
    Ok(response)
}

/// The answer where not even the service is known, in the form that the request suggests.
pub(crate) fn unknown_service(headers: &HeaderMap, request_id: &str, what: &str) -> Response<Body> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let wire = match content_type.unwrap_or_default() {
        form if form.starts_with("application/x-www-form-urlencoded") => Wire::Query,
        cbor if cbor.starts_with("application/x-amz-cbor") => Wire::AmzCbor,
        cbor if cbor.starts_with("application/cbor") => Wire::RpcCbor,
        _ if headers.contains_key("x-amz-target") => Wire::Json { version: "1.1" },
        _ => Wire::RestJson,
    };
    let message = format!("catchment does not speak {what}. See `catchment status` for the services it speaks.");
    let unknown = AwsError::new("UnknownServiceException", message).with_status(501);
    error(None, wire, request_id, &unknown)
}
