//! XML answers of the Query protocol.

use serde_json::Value;

use crate::encode::time;
use crate::model::{Kind, Member, TimestampFormat};
use crate::{Model, ShapeId};

/// Appends `text` with XML's special characters escaped. Characters that XML cannot hold at all are dropped.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#xD;"),
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
}

/// `<Error>` as S3 words it.
pub(crate) fn s3_error(code: &str, message: &str, request_id: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    for (name, text) in [("Code", code), ("Message", message), ("RequestId", request_id)] {
        wrap(name, &mut out, |out| escape(text, out));
    }
    out.push_str("</Error>");
    out
}

/// `<ErrorResponse>` as the Query protocol words it.
pub(crate) fn error(namespace: Option<&str>, kind: &str, code: &str, message: &str, request_id: &str) -> String {
    let mut out = String::from("<ErrorResponse");
    if let Some(namespace) = namespace {
        out.push_str(" xmlns=\"");
        escape(namespace, &mut out);
        out.push('"');
    }
    out.push_str("><Error><Type>");
    out.push_str(kind);
    out.push_str("</Type><Code>");
    escape(code, &mut out);
    out.push_str("</Code><Message>");
    escape(message, &mut out);
    out.push_str("</Message></Error><RequestId>");
    out.push_str(request_id);
    out.push_str("</RequestId></ErrorResponse>");
    out
}

/// Appends the members of a structure.
pub(crate) fn members(model: &Model, id: ShapeId, value: &Value, out: &mut String) {
    let (Some(structure), Value::Object(map)) = (model.structure(id), value) else {
        return;
    };
    for member in &structure.members {
        if let Some(item) = map.get(&member.name).filter(|item| !item.is_null()) {
            element(model, member, member.wire_name(), item, out);
        }
    }
}

fn element(model: &Model, member: &Member, name: &str, value: &Value, out: &mut String) {
    let shape = model.shape(member.shape);
    match (&shape.kind, value) {
        (
            Kind::List {
                member: inner,
                flattened,
            },
            Value::Array(items),
        ) => {
            if *flattened || member.flattened {
                items.iter().for_each(|item| element(model, inner, name, item, out));
            } else {
                let inner_name = inner.location_name.as_deref().unwrap_or("member");
                wrap(name, out, |out| {
                    items
                        .iter()
                        .for_each(|item| element(model, inner, inner_name, item, out))
                });
            }
        }
        (
            Kind::Map {
                key,
                value: inner,
                flattened,
            },
            Value::Object(map),
        ) => {
            let entry = |out: &mut String, k: &str, item: &Value| {
                let key_name = key.location_name.as_deref().unwrap_or("key");
                wrap(key_name, out, |out| escape(k, out));
                element(
                    model,
                    inner,
                    inner.location_name.as_deref().unwrap_or("value"),
                    item,
                    out,
                );
            };
            if *flattened || member.flattened {
                map.iter()
                    .for_each(|(k, item)| wrap(name, out, |out| entry(out, k, item)));
            } else {
                wrap(name, out, |out| {
                    map.iter()
                        .for_each(|(k, item)| wrap("entry", out, |out| entry(out, k, item)))
                });
            }
        }
        (Kind::Structure(_), value) => wrap(name, out, |out| members(model, member.shape, value, out)),
        (Kind::Timestamp, value) => {
            let format = member
                .timestamp_format
                .or(shape.timestamp_format)
                .unwrap_or(TimestampFormat::Iso8601);
            wrap(name, out, |out| out.push_str(&time::format(value, format)));
        }
        (_, Value::String(text)) => wrap(name, out, |out| escape(text, out)),
        (_, value) => wrap(name, out, |out| out.push_str(&value.to_string())),
    }
}

pub(crate) fn wrap(name: &str, out: &mut String, inside: impl FnOnce(&mut String)) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    inside(out);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}
