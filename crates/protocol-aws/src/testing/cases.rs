//! Inputs derived from the model: for every operation a minimal valid one, each required member missing, and
//! each bound kept and broken.

use base::{Clock, Random, Tasks};
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use crate::gateway::json_request;
use crate::model::{Kind, Member, Shape, Structure};
use crate::{Gateway, Model, Service, ShapeId};

/// Texts that fit the patterns found in the models.
const SAMPLES: &[&str] = &[
    "a",
    "abc",
    "1",
    "0",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "000000000000",
    "shardId-000000000000",
    "arn:aws:kinesis:us-east-1:000000000000:stream/a",
    "arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/a:1",
    "arn:aws:iam::000000000000:role/a",
    "arn:aws:s3:::a-bucket",
    "arn:aws:glue:us-east-1:000000000000:table/a/b",
    "arn:aws:firehose:us-east-1:000000000000:deliverystream/a",
    "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555",
    "s3://a/b",
    "https://a.example/b",
    "11111111-2222-3333-4444-555555555555",
    "rate(5 minutes)",
    "LATEST",
    "a@b.c",
];

/// Lists and texts longer than this are not built to break a bound.
const LENGTH_TRIED_MAX: f64 = 100_000.0;

/// Sends the model's cases of every operation that is built through a gateway and checks the answers: valid
/// ones pass validation, broken ones are refused with the member's name, and nothing is an internal failure.
///
/// # Panics
/// Where an answer is not as it must be.
pub async fn check_model_cases(service: Service) {
    let model = service.model();
    let operations = service.operations();
    let target = model.metadata.target_prefix.clone().expect("a service of awsJson");
    let name = service.name();
    let gateway = Gateway::builder(Clock::system(), Random::seeded(1), Tasks::new())
        .service(service)
        .build();
    let mut count = 0;
    for operation in operations {
        let Some(id) = model.operations[operation].input else {
            continue;
        };
        let Some(minimal) = minimal(model, id, 0) else { continue };
        let mut cases = vec![Case {
            input: minimal.clone(),
            broken: None,
        }];
        let structure = model.structure(id).expect("an input is a structure");
        collect(model, structure, &minimal, &mut cases);
        for case in &cases {
            let body = case.input.to_string();
            let response = gateway
                .handle(json_request(&format!("{target}.{operation}"), body.clone()))
                .await;
            let status = response.status();
            let bytes = response.into_body().collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&bytes);
            assert_ne!(
                status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{name}:{operation} {body}: {text}"
            );
            let refused = text.contains("validation error") && text.contains("failed to satisfy constraint");
            match &case.broken {
                None => assert!(
                    !refused && !text.contains("SerializationException"),
                    "{name}:{operation} {body}: {text}"
                ),
                Some(path) => assert!(
                    status == StatusCode::BAD_REQUEST && refused && text.contains(&format!("'{path}'")),
                    "{name}:{operation} {body} should be refused for '{path}': {status} {text}"
                ),
            }
            count += 1;
        }
    }
    println!("{name}: {count} cases of the model");
    assert!(count > 0, "{name} has no cases");
}

struct Case {
    input: Value,
    /// The path that the error must name.
    broken: Option<String>,
}

/// The cases of the input's own members.
fn collect(model: &Model, structure: &Structure, minimal: &Value, cases: &mut Vec<Case>) {
    for member in &structure.members {
        let path = lower_first(&member.name);
        let with = |value: Value| {
            let mut input = minimal.clone();
            input[&member.name] = value;
            input
        };
        if member.required {
            let mut input = minimal.clone();
            input.as_object_mut().expect("an object").remove(&member.name);
            cases.push(Case {
                input,
                broken: Some(path.clone()),
            });
        }
        let shape = model.shape(member.shape);
        if !shape.allowed.is_empty() {
            cases.push(Case {
                input: with(json!("no such value")),
                broken: Some(path.clone()),
            });
        }
        for (bound, beyond) in [(shape.max, 1.0), (shape.min, -1.0)] {
            let Some(bound) = bound.filter(|bound| bound.abs() <= LENGTH_TRIED_MAX) else {
                continue;
            };
            if let Some(value) = sized(model, member, shape, bound).filter(|value| fits(shape, value)) {
                cases.push(Case {
                    input: with(value),
                    broken: None,
                });
            }
            if let Some(value) = sized(model, member, shape, bound + beyond) {
                cases.push(Case {
                    input: with(value),
                    broken: Some(path.clone()),
                });
            }
        }
    }
}

/// A value whose length or amount is `size`.
fn sized(model: &Model, member: &Member, shape: &Shape, size: f64) -> Option<Value> {
    let length = (size >= 0.0).then_some(size as usize);
    match &shape.kind {
        Kind::Integer | Kind::Long => Some(Value::from(size as i64)),
        Kind::Float | Kind::Double => Some(Value::from(size)),
        Kind::String if shape.allowed.is_empty() => {
            let sample = if shape.pattern.is_some() {
                text(shape)?.chars().next_back()?
            } else {
                'a'
            };
            Some(Value::from(sample.to_string().repeat(length?)))
        }
        Kind::List { member: element, .. } => {
            let item = minimal(model, element.shape, 0).filter(|_| element_is_small(model, element))?;
            Some(Value::from(vec![item; length?]))
        }
        Kind::Map { key, value, .. } => {
            let item = minimal(model, value.shape, 0)?;
            let keys = (0..length?).map(|n| format!("a{n}"));
            let fitting = |key_text: &String| fits(model.shape(key.shape), &Value::from(key_text.as_str()));
            let map: Map<_, _> = keys.filter(fitting).map(|key| (key, item.clone())).collect();
            (Some(map.len()) == length).then_some(Value::Object(map))
        }
        Kind::Blob => {
            use base64::Engine;
            // Records are tried by the services' own tests; here small blobs do.
            Some(
                base64::engine::general_purpose::STANDARD
                    .encode(vec![b'a'; length?])
                    .into(),
            )
        }
        _ => None,
    }
    .filter(|_| !member.name.is_empty())
}

fn element_is_small(model: &Model, element: &Member) -> bool {
    !matches!(model.shape(element.shape).kind, Kind::List { .. })
}

fn fits(shape: &Shape, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let length = text.encode_utf16().count() as f64;
            let bounded = shape.min.is_none_or(|min| length >= min) && shape.max.is_none_or(|max| length <= max);
            let is_text = matches!(shape.kind, Kind::String);
            !is_text || (bounded && shape.regex().is_none_or(|regex| regex.is_match(text)))
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            shape.min.is_none_or(|min| number >= min) && shape.max.is_none_or(|max| number <= max)
        }
        Value::Array(items) => shape.min.is_none_or(|min| items.len() as f64 >= min),
        _ => true,
    }
}

/// A text that fits the shape.
fn text(shape: &Shape) -> Option<String> {
    if let Some(allowed) = shape.allowed.first() {
        return Some(allowed.clone());
    }
    let samples = SAMPLES.iter().map(|sample| (*sample).to_owned());
    let stretched = shape.min.map(|min| "a".repeat(min.max(0.0) as usize));
    samples
        .chain(stretched)
        .find(|sample| fits(shape, &Value::from(sample.as_str())))
}

/// The smallest value of a shape that is valid; `None` where no sample fits.
fn minimal(model: &Model, id: ShapeId, depth: usize) -> Option<Value> {
    const DEPTH_MAX: usize = 8;
    let shape = model.shape(id);
    if depth > DEPTH_MAX {
        return None;
    }
    match &shape.kind {
        Kind::Structure(structure) => {
            let mut map = Map::new();
            for member in structure.members.iter().filter(|member| member.required) {
                map.insert(member.name.clone(), minimal(model, member.shape, depth + 1)?);
            }
            Some(Value::Object(map))
        }
        Kind::List { member, .. } => {
            let length = shape.min.unwrap_or(0.0) as usize;
            let item = minimal(model, member.shape, depth + 1);
            if length == 0 {
                Some(json!([]))
            } else {
                Some(Value::from(vec![item?; length]))
            }
        }
        Kind::Map { .. } => (shape.min.unwrap_or(0.0) == 0.0)
            .then(|| json!({}))
            .or_else(|| Some(json!({ "a": "a" }))),
        Kind::String => text(shape).map(Value::from),
        Kind::Boolean => Some(Value::Bool(false)),
        Kind::Integer | Kind::Long => Some(Value::from(
            shape.min.unwrap_or(1.0).max(shape.max.unwrap_or(1.0).min(1.0)) as i64,
        )),
        Kind::Float | Kind::Double => Some(Value::from(shape.min.unwrap_or(1.0))),
        Kind::Blob => Some(Value::from("YQ==")),
        Kind::Timestamp => Some(Value::from(1_440_938_160)),
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_lowercase)
        .chain(letters)
        .collect()
}
