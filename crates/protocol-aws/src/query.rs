//! The Query protocol: parameters in a form, answers in XML.

use serde_json::{Map, Value};

use crate::encode::time;
use crate::model::{Kind, Member};
use crate::{AwsError, Model, Operation, ShapeId, xml};

/// Lists are read up to so many elements, whatever numbers the caller gives.
const ELEMENTS_MAX: usize = 10_000;

/// The parameters as a value in awsJson form.
pub(crate) fn decode(
    model: &Model,
    shape: Option<ShapeId>,
    parameters: &[(String, String)],
) -> Result<Value, AwsError> {
    let Some(shape) = shape else {
        return Ok(Value::Object(Map::new()));
    };
    Ok(read(model, shape, parameters, "", false)?.unwrap_or_else(|| Value::Object(Map::new())))
}

type Parameters<'a> = &'a [(String, String)];

fn read(model: &Model, id: ShapeId, all: Parameters<'_>, at: &str, flattened: bool) -> Result<Option<Value>, AwsError> {
    let inside = |name: &str| {
        if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}.{name}")
        }
    };
    let here = || all.iter().find(|(key, _)| key == at).map(|(_, value)| value.as_str());
    let exists = |prefix: &str| {
        all.iter()
            .any(|(key, _)| key == prefix || key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
    };
    Ok(match &model.shape(id).kind {
        Kind::Structure(structure) => {
            let mut map = Map::new();
            for member in &structure.members {
                let name = inside(member.wire_name());
                if let Some(value) = read(model, member.shape, all, &name, member.flattened)? {
                    map.insert(member.name.clone(), value);
                }
            }
            (!map.is_empty() || at.is_empty() || exists(at)).then_some(Value::Object(map))
        }
        Kind::List {
            member,
            flattened: flat,
        } => {
            let base = element_name(at, member, flattened || *flat, "member");
            let mut items = Vec::new();
            for number in 1..=ELEMENTS_MAX {
                let name = format!("{base}.{number}");
                if !exists(&name) {
                    break;
                }
                items.extend(read(model, member.shape, all, &name, false)?);
            }
            (!items.is_empty() || here().is_some()).then_some(Value::Array(items))
        }
        Kind::Map {
            key,
            value,
            flattened: flat,
        } => {
            let base = if flattened || *flat {
                at.to_owned()
            } else {
                format!("{at}.entry")
            };
            let mut map = Map::new();
            for number in 1..=ELEMENTS_MAX {
                let key_name = format!("{base}.{number}.{}", key.location_name.as_deref().unwrap_or("key"));
                let Some((_, key)) = all.iter().find(|(name, _)| *name == key_name) else {
                    break;
                };
                let value_name = format!("{base}.{number}.{}", value.location_name.as_deref().unwrap_or("value"));
                if let Some(item) = read(model, value.shape, all, &value_name, false)? {
                    map.insert(key.clone(), item);
                }
            }
            (!map.is_empty()).then_some(Value::Object(map))
        }
        kind => here().map(|text| scalar(kind, text)).transpose()?,
    })
}

fn element_name(at: &str, member: &Member, flattened: bool, default: &str) -> String {
    match (&member.location_name, flattened) {
        (_, true) => at.to_owned(),
        (Some(name), false) => format!("{at}.{name}"),
        (None, false) => format!("{at}.{default}"),
    }
}

/// One text as the JSON value its shape asks for.
pub(crate) fn scalar(kind: &Kind, text: &str) -> Result<Value, AwsError> {
    let malformed = || {
        AwsError::new(
            "MalformedInput",
            format!("{text} is not of the type that the parameter has"),
        )
        .with_status(400)
    };
    Ok(match kind {
        Kind::Boolean => match text {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => return Err(malformed()),
        },
        Kind::Integer | Kind::Long => text.parse::<i64>().map_err(|_| malformed())?.into(),
        Kind::Float | Kind::Double => text.parse::<f64>().map_err(|_| malformed())?.into(),
        Kind::Timestamp => {
            let ms = time::parse_iso8601(text)
                .or_else(|| time::parse_rfc822(text))
                .or_else(|| {
                    text.parse::<f64>()
                        .ok()
                        .map(|seconds| (seconds * 1000.0).round() as i64)
                });
            time::seconds(ms.ok_or_else(malformed)?)
        }
        _ => Value::String(text.to_owned()),
    })
}

/// `<ActionResponse><ActionResult>..</ActionResult><ResponseMetadata>..`.
pub(crate) fn encode(model: &Model, operation: &Operation, value: Value, request_id: &str) -> Result<String, AwsError> {
    let mut out = format!("<{}Response", operation.name);
    if let Some(namespace) = &model.metadata.xml_namespace {
        out.push_str(" xmlns=\"");
        xml::escape(namespace, &mut out);
        out.push('"');
    }
    out.push('>');
    if let Some(shape) = operation.output {
        let wrapper = operation
            .result_wrapper
            .clone()
            .unwrap_or_else(|| format!("{}Result", operation.name));
        xml::wrap(&wrapper, &mut out, |out| xml::members(model, shape, &value, out));
    }
    xml::wrap("ResponseMetadata", &mut out, |out| {
        xml::wrap("RequestId", out, |out| out.push_str(request_id))
    });
    out.push_str(&format!("</{}Response>", operation.name));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::uri;

    #[test]
    fn lists_maps_and_structures_are_read() {
        let model = Model::get("sts").expect("embedded");
        let form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa&RoleSessionName=s&DurationSeconds=900\
                    &Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=c&Tags.member.2.Value=d";
        let value = decode(model, model.operations["AssumeRole"].input, &uri::pairs(form)).expect("decodes");
        assert_eq!(
            value,
            json!({
                "RoleArn": "arn:aws:iam::1:role/a", "RoleSessionName": "s", "DurationSeconds": 900,
                "Tags": [{ "Key": "a", "Value": "b" }, { "Key": "c", "Value": "d" }],
            })
        );
    }

    #[test]
    fn answers_are_escaped_and_wrapped() {
        let model = Model::get("sts").expect("embedded");
        let value = json!({ "UserId": "<a&b>", "Account": "000000000000", "Arn": "arn" });
        let text = encode(model, &model.operations["GetCallerIdentity"], value, "id-1").expect("encodes");
        assert_eq!(
            text,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <UserId>&lt;a&amp;b&gt;</UserId><Account>000000000000</Account><Arn>arn</Arn></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        );
    }
}
