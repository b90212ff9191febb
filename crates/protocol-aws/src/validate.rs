//! Validation by the model, worded as the services word it.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::model::{Kind, Shape, Structure};
use crate::{Model, ShapeId};

/// All that is wrong with `input`, as the text of one validation error; `None` where nothing is.
///
/// The services report every fault at once: "2 validation errors detected: Value .. at .. failed to satisfy
/// constraint: ..; Value ..".
pub(crate) fn validate(model: &Model, input: ShapeId, value: &Value) -> Option<String> {
    let mut faults = Faults {
        model,
        found: Vec::new(),
    };
    if let (Kind::Structure(structure), Value::Object(map)) = (&model.shape(input).kind, value) {
        faults.structure(structure, map, "");
    }
    let count = faults.found.len();
    match count {
        0 => None,
        1 => Some(format!("1 validation error detected: {}", faults.found[0])),
        _ => Some(format!(
            "{count} validation errors detected: {}",
            faults.found.join("; ")
        )),
    }
}

/// At most so many faults are reported of one call.
const FAULTS_MAX: usize = 100;

struct Faults<'a> {
    model: &'a Model,
    found: Vec<String>,
}

impl Faults<'_> {
    fn structure(&mut self, structure: &Structure, map: &Map<String, Value>, path: &str) {
        if structure.document {
            return;
        }
        for member in &structure.members {
            let path = join(path, &member.name);
            match map.get(&member.name) {
                Some(value) => self.value(member.shape, value, &path),
                None if member.required => {
                    self.add(format!(
                        "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                    ));
                }
                None => {}
            }
        }
    }

    fn value(&mut self, id: ShapeId, value: &Value, path: &str) {
        let shape = self.model.shape(id);
        for constraint in broken(shape, value) {
            self.add(format!(
                "Value '{}' at '{path}' failed to satisfy constraint: {constraint}",
                shown(shape, value)
            ));
        }
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(map)) => self.structure(structure, map, path),
            (Kind::List { member, .. }, Value::Array(items)) => {
                if self.is_compound(member.shape) {
                    for (index, item) in items.iter().enumerate() {
                        self.value(member.shape, item, &format!("{path}.{}.member", index + 1));
                    }
                } else if items
                    .iter()
                    .any(|item| !broken(self.model.shape(member.shape), item).is_empty())
                {
                    let all = constraints(self.model.shape(member.shape)).join(", ");
                    self.add(format!(
                        "Value '{}' at '{path}' failed to satisfy constraint: Member must satisfy constraint: [{all}]",
                        show(value)
                    ));
                }
            }
            (
                Kind::Map {
                    key, value: element, ..
                },
                Value::Object(map),
            ) => {
                let key_shape = self.model.shape(key.shape);
                if map.keys().any(|key| !broken_text(key_shape, key).is_empty()) {
                    let all = constraints(key_shape).join(", ");
                    self.add(format!(
                        "Value '{}' at '{path}' failed to satisfy constraint: Map keys must satisfy constraint: [{all}]",
                        show(value)
                    ));
                }
                if self.is_compound(element.shape) {
                    for (key, item) in map {
                        self.value(element.shape, item, &format!("{path}.{key}.member"));
                    }
                } else if map
                    .values()
                    .any(|item| !broken(self.model.shape(element.shape), item).is_empty())
                {
                    let all = constraints(self.model.shape(element.shape)).join(", ");
                    self.add(format!(
                        "Value '{}' at '{path}' failed to satisfy constraint: Map value must satisfy constraint: [{all}]",
                        show(value)
                    ));
                }
            }
            _ => {}
        }
    }

    fn is_compound(&self, id: ShapeId) -> bool {
        matches!(
            self.model.shape(id).kind,
            Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. }
        )
    }

    fn add(&mut self, fault: String) {
        if self.found.len() < FAULTS_MAX {
            self.found.push(fault);
        }
    }
}

/// The member's path with its first letter lowered, as the services print it: `StreamARN` is `streamARN`.
fn join(path: &str, name: &str) -> String {
    let mut lowered = String::with_capacity(path.len() + name.len() + 1);
    if !path.is_empty() {
        lowered.push_str(path);
        lowered.push('.');
    }
    let mut letters = name.chars();
    lowered.extend(letters.next().into_iter().flat_map(char::to_lowercase));
    lowered.push_str(letters.as_str());
    lowered
}

/// As much is shown of a value.
const SHOWN_BYTES_MAX: usize = 2_048;

/// A value in an error, as the services have it: not the data of a blob.
fn shown(shape: &Shape, value: &Value) -> String {
    if let (Kind::Blob, Value::String(text)) = (&shape.kind, value) {
        let bytes = decoded_length(text);
        return format!("java.nio.HeapByteBuffer[pos=0 lim={bytes} cap={bytes}]");
    }
    let mut text = show(value);
    if text.len() > SHOWN_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// The texts of the shape's constraints that `value` breaks.
fn broken(shape: &Shape, value: &Value) -> Vec<String> {
    let length = |length: usize| broken_bounds(shape, length as f64, "length");
    match (&shape.kind, value) {
        (Kind::String, Value::String(text)) => broken_text(shape, text),
        (Kind::Blob, Value::String(text)) => length(decoded_length(text)),
        (Kind::List { .. }, Value::Array(items)) => length(items.len()),
        (Kind::Map { .. }, Value::Object(map)) => length(map.len()),
        (Kind::Integer | Kind::Long | Kind::Float | Kind::Double, Value::Number(number)) => {
            broken_bounds(shape, number.as_f64().unwrap_or(0.0), "value")
        }
        _ => Vec::new(),
    }
}

fn broken_text(shape: &Shape, text: &str) -> Vec<String> {
    let mut broken = broken_bounds(shape, text.encode_utf16().count() as f64, "length");
    if let (Some(pattern), Some(regex)) = (&shape.pattern, shape.regex())
        && !regex.is_match(text)
    {
        broken.push(format!("Member must satisfy regular expression pattern: {pattern}"));
    }
    if !shape.allowed.is_empty() && !shape.allowed.iter().any(|allowed| allowed == text) {
        broken.push(enum_text(shape));
    }
    broken
}

fn broken_bounds(shape: &Shape, size: f64, of: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if let Some(max) = shape.max.filter(|max| size > *max) {
        broken.push(format!("Member must have {of} less than or equal to {max}"));
    }
    if let Some(min) = shape.min.filter(|min| size < *min) {
        broken.push(format!("Member must have {of} greater than or equal to {min}"));
    }
    broken
}

/// Every constraint of a shape, broken or not: what is reported for the elements of lists and maps.
fn constraints(shape: &Shape) -> Vec<String> {
    let of = if matches!(shape.kind, Kind::Integer | Kind::Long | Kind::Float | Kind::Double) {
        "value"
    } else {
        "length"
    };
    let mut all = Vec::new();
    all.extend(
        shape
            .max
            .map(|max| format!("Member must have {of} less than or equal to {max}")),
    );
    all.extend(
        shape
            .min
            .map(|min| format!("Member must have {of} greater than or equal to {min}")),
    );
    all.extend(
        shape
            .pattern
            .as_ref()
            .map(|p| format!("Member must satisfy regular expression pattern: {p}")),
    );
    if !shape.allowed.is_empty() {
        all.push(enum_text(shape));
    }
    all
}

fn enum_text(shape: &Shape) -> String {
    format!("Member must satisfy enum value set: [{}]", shape.allowed.join(", "))
}

/// The number of bytes behind a base64 text.
fn decoded_length(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

/// A value as Java prints it: lists in brackets, maps and structures with `=`.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let mut text = String::from("{");
            for (index, (key, item)) in map.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                // Writing to a string does not fail.
                let _ = write!(text, "{comma}{key}={}", show(item));
            }
            text.push('}');
            text
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(operation: &str, input: &Value, expect: Option<&str>) {
        let model = Model::get("kinesis").expect("embedded");
        let shape = model.operations[operation].input.expect("an input");
        assert_eq!(validate(model, shape, input).as_deref(), expect, "{operation} {input}");
    }

    // The texts are the service's, as its clients' issue threads and other servers' tests record them.
    #[test]
    fn one_and_several_faults() {
        check("DescribeStreamSummary", &json!({ "StreamName": "a" }), None);
        check(
            "DescribeStreamSummary",
            &json!({ "StreamName": "a b" }),
            Some(
                "1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            ),
        );
        check(
            "GetShardIterator",
            &json!({ "StreamName": "", "ShardId": "shardId-000000000000" }),
            Some(
                "3 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must have \
                 length greater than or equal to 1; Value '' at 'streamName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value null at 'shardIteratorType' failed to \
                 satisfy constraint: Member must not be null",
            ),
        );
        check(
            "GetShardIterator",
            &json!({ "StreamName": "a", "ShardId": "s", "ShardIteratorType": "OLDEST" }),
            Some(
                "1 validation error detected: Value 'OLDEST' at 'shardIteratorType' failed to satisfy constraint: \
                 Member must satisfy enum value set: [AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, TRIM_HORIZON, LATEST, \
                 AT_TIMESTAMP]",
            ),
        );
        check(
            "PutRecords",
            &json!({ "StreamName": "a", "Records": [{ "Data": "", "PartitionKey": "" }] }),
            Some(
                "1 validation error detected: Value '' at 'records.1.member.partitionKey' failed to satisfy \
                 constraint: Member must have length greater than or equal to 1",
            ),
        );
        check(
            "CreateStream",
            &json!({ "StreamName": "a", "ShardCount": 0 }),
            Some(
                "1 validation error detected: Value '0' at 'shardCount' failed to satisfy constraint: Member must have \
                 value greater than or equal to 1",
            ),
        );
    }
}
