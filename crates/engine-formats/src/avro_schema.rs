//! Schemas of Avro before they are used: how large they are, and those of some of a record's fields.
//!
//! Source: Apache Avro 1.12 Specification, "Schema Declaration" and "Names".

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::FormatError;
use crate::files::{FileFormat, damaged};

/// How many types a schema may consist of, each counted as often as it is meant, and how deep they may nest.
const TYPES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 64;
const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// A schema that is a record, and no larger or deeper than one may be.
pub(crate) fn record(schema: &str) -> Result<Map<String, Value>, FormatError> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| wrong(&format!("its schema is none: {error}")))?;
    Types::default().shape(&schema)?;
    match schema {
        Value::Object(record) if record.get("type").and_then(Value::as_str) == Some("record") => Ok(record),
        _ => Err(wrong(&"its schema is no record")),
    }
}

/// How types are put together. A schema of a few lines may stand for any number of columns: a type that was named once
/// can be meant many times over, and each type can consist of two of the one before.
#[derive(Default)]
struct Types {
    /// Of named types, by the last part of their names.
    named: HashMap<String, Shape>,
}

#[derive(Clone, Copy)]
struct Shape {
    /// Whether a value takes no bytes. A few bytes could say that an array has any number of them.
    weightless: bool,
    /// Types within the type, and itself.
    types: usize,
    depth: usize,
}

impl Shape {
    const SIMPLE: Self = Self {
        weightless: false,
        types: 1,
        depth: 1,
    };

    /// Of a type that consists of others; no more than one that has no bound of its own.
    fn around(parts: impl Iterator<Item = Result<Self, FormatError>>) -> Result<Self, FormatError> {
        let mut shape = Self {
            weightless: true,
            ..Self::SIMPLE
        };
        for part in parts {
            let part = part?;
            shape.weightless &= part.weightless;
            shape.types = shape.types.saturating_add(part.types);
            shape.depth = shape.depth.max(part.depth + 1);
        }
        if shape.types > TYPES_MAX || shape.depth > DEPTH_MAX {
            let why = format!("it has more than {TYPES_MAX} types, or they nest deeper than {DEPTH_MAX}");
            return Err(wrong(&why));
        }
        Ok(shape)
    }
}

impl Types {
    fn shape(&mut self, schema: &Value) -> Result<Shape, FormatError> {
        match schema {
            Value::String(name) => Ok(match name.as_str() {
                "null" => Shape {
                    weightless: true,
                    ..Shape::SIMPLE
                },
                name => self.named.get(last_part(name)).copied().unwrap_or(Shape::SIMPLE),
            }),
            // A union has the number of its branch before it.
            Value::Array(branches) => Ok(Shape {
                weightless: false,
                ..Shape::around(branches.iter().map(|branch| self.shape(branch)))?
            }),
            Value::Object(object) => self.shape_of_object(object),
            _ => Ok(Shape::SIMPLE),
        }
    }

    fn shape_of_object(&mut self, object: &Map<String, Value>) -> Result<Shape, FormatError> {
        let Some(data_type) = object.get("type") else {
            return Ok(Shape::SIMPLE);
        };
        let shape = match data_type.as_str() {
            Some("record") => {
                let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
                let types = fields.filter_map(|field| field.get("type"));
                Shape::around(types.map(|data_type| self.shape(data_type)))?
            }
            Some("array") => {
                let items = object
                    .get("items")
                    .map_or(Ok(Shape::SIMPLE), |items| self.shape(items))?;
                if items.weightless {
                    return Err(wrong(&"it has arrays whose items take no bytes"));
                }
                Shape::around([Ok(items)].into_iter())?
            }
            Some("map") => {
                let values = object
                    .get("values")
                    .map_or(Ok(Shape::SIMPLE), |values| self.shape(values))?;
                Shape {
                    weightless: false,
                    ..Shape::around([Ok(values)].into_iter())?
                }
            }
            Some("fixed") => Shape {
                weightless: object.get("size").and_then(Value::as_u64) == Some(0),
                ..Shape::SIMPLE
            },
            _ => return self.shape(data_type),
        };
        if let Some(name) = object.get("name").and_then(Value::as_str) {
            // Names that end alike are taken for the larger of their types.
            let known = self.named.entry(last_part(name).to_owned()).or_insert(shape);
            known.weightless |= shape.weightless;
            known.types = known.types.max(shape.types);
            known.depth = known.depth.max(shape.depth);
        }
        Ok(shape)
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Two records with names that mean the same wherever they stand: without namespaces, as records of both are the same by
/// their plain names, or with them where two types of one record would have the same name.
pub(crate) fn with_plain_names(records: [&Map<String, Value>; 2]) -> [Map<String, Value>; 2] {
    let clash = records.iter().any(|record| {
        let mut names = Names::default();
        names.renamed(&Value::Object(Map::clone(record)), "");
        let plain: HashSet<&str> = names.types.keys().map(|name| last_part(name)).collect();
        plain.len() < names.types.len()
    });
    records.map(|record| {
        let mut names = Names {
            plain: !clash,
            ..Names::default()
        };
        match names.renamed(&Value::Object(record.clone()), "") {
            Value::Object(renamed) => renamed,
            _ => record.clone(),
        }
    })
}

/// The record with these of its fields, in this order. A type that is named in a field which is left out is named where
/// it is meant first.
pub(crate) fn projected(record: &Map<String, Value>, fields: &[usize]) -> Map<String, Value> {
    let mut names = Names::default();
    let Value::Object(mut record) = names.renamed(&Value::Object(record.clone()), "") else {
        return record.clone();
    };
    let all = record
        .get("fields")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut named: HashSet<String> = record
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .into_iter()
        .collect();
    let wanted = fields.iter().filter_map(|field| all.get(*field));
    let fields = wanted
        .map(|field| names.named_where_first_meant(field, &mut named))
        .collect();
    record.insert("fields".to_owned(), Value::Array(fields));
    record
}

#[derive(Default)]
struct Names {
    /// Whether names lose their namespaces, rather than that all have one.
    plain: bool,
    /// Types by their new names.
    types: HashMap<String, Value>,
}

impl Names {
    /// The schema with names that mean the same wherever they stand.
    fn renamed(&mut self, schema: &Value, namespace: &str) -> Value {
        match schema {
            Value::String(name) if !PRIMITIVES.contains(&name.as_str()) => {
                Value::String(self.name(full_name(name, namespace)))
            }
            Value::Array(branches) => branches.iter().map(|branch| self.renamed(branch, namespace)).collect(),
            Value::Object(object) => {
                let mut object = object.clone();
                let kind = object
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                match kind.as_str() {
                    "record" | "enum" | "fixed" => {
                        let own = object.remove("namespace");
                        let namespace = own.as_ref().and_then(Value::as_str).unwrap_or(namespace);
                        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
                        let full = full_name(name, namespace);
                        let within = full.rsplit_once('.').map_or("", |(within, _)| within);
                        if let Some(Value::Array(fields)) = object.get_mut("fields") {
                            for field in fields {
                                self.replace(field, "type", within);
                            }
                        }
                        let name = self.name(full);
                        object.insert("name".to_owned(), Value::String(name.clone()));
                        self.types.insert(name, Value::Object(object.clone()));
                        Value::Object(object)
                    }
                    _ => {
                        let mut schema = Value::Object(object);
                        ["type", "items", "values"]
                            .into_iter()
                            .for_each(|part| match kind.as_str() {
                                "array" | "map" if part == "type" => {}
                                _ => self.replace(&mut schema, part, namespace),
                            });
                        schema
                    }
                }
            }
            other => other.clone(),
        }
    }

    fn name(&self, full: String) -> String {
        if self.plain { last_part(&full).to_owned() } else { full }
    }

    fn replace(&mut self, schema: &mut Value, part: &str, namespace: &str) {
        if let Some(part) = schema.get_mut(part) {
            *part = self.renamed(part, namespace);
        }
    }

    /// A schema of such names, in which the first mention of a type that is not `named` yet is the type itself.
    fn named_where_first_meant(&self, schema: &Value, named: &mut HashSet<String>) -> Value {
        match schema {
            Value::String(name) => match self.types.get(name) {
                Some(named_type) if !named.contains(name) => self.named_where_first_meant(named_type, named),
                _ => schema.clone(),
            },
            Value::Array(parts) => parts
                .iter()
                .map(|part| self.named_where_first_meant(part, named))
                .collect(),
            Value::Object(object) => {
                let is_named = matches!(
                    object.get("type").and_then(Value::as_str),
                    Some("record" | "enum" | "fixed")
                );
                if let Some(name) = object.get("name").and_then(Value::as_str).filter(|_| is_named)
                    && !named.insert(name.to_owned())
                {
                    return Value::String(name.to_owned());
                }
                let mut object = object.clone();
                for part in ["type", "items", "values", "fields"] {
                    if let Some(part) = object.get_mut(part) {
                        *part = self.named_where_first_meant(part, named);
                    }
                }
                Value::Object(object)
            }
            other => other.clone(),
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn wrong(why: &dyn std::fmt::Display) -> FormatError {
    damaged(FileFormat::Avro, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_named_where_they_are_meant_first() {
        let schema = json!({"type": "record", "name": "Row", "namespace": "a", "fields": [
            {"name": "first", "type": {"type": "record", "name": "Pair", "fields": [
                {"name": "kind", "type": {"type": "enum", "name": "b.Kind", "symbols": ["X"]}},
                {"name": "n", "type": "int"}]}},
            {"name": "second", "type": ["null", {"type": "array", "items": "Pair"}], "default": null},
            {"name": "third", "type": {"type": "map", "values": "b.Kind"}},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}}]});
        let Value::Object(schema) = schema else {
            panic!("a record")
        };
        let expect = json!({"type": "record", "name": "a.Row", "fields": [
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "third", "type": {"type": "map", "values": {"type": "enum", "name": "b.Kind", "symbols": ["X"]}}},
            {"name": "second", "type": ["null", {"type": "array", "items": {"type": "record", "name": "a.Pair", "fields": [
                {"name": "kind", "type": "b.Kind"},
                {"name": "n", "type": "int"}]}}], "default": null}]});
        assert_eq!(Value::Object(projected(&schema, &[3, 2, 1])), expect);
        let [plain, _] = with_plain_names([&schema, &Map::new()]).map(|record| Value::Object(record).to_string());
        assert!(
            plain.contains(r#""name":"Row""#) && plain.contains(r#""items":"Pair""#),
            "{plain}"
        );
        assert!(
            plain.contains(r#""values":"Kind""#) && !plain.contains("namespace"),
            "{plain}"
        );
        let text = Value::Object(schema).to_string().replace("b.Kind", "b.Pair");
        let Ok(Value::Object(clash)) = serde_json::from_str(&text) else {
            panic!("a record")
        };
        let [full, _] = with_plain_names([&clash, &Map::new()]).map(|record| Value::Object(record).to_string());
        assert!(
            full.contains(r#""items":"a.Pair""#) && full.contains(r#""values":"b.Pair""#),
            "{full}"
        );
    }
}
