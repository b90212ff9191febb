//! Drift between our types and the models, found in debug builds.

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::Value;

use crate::model::Kind;
use crate::service::Output;
use crate::{Model, Operation, ShapeId};

/// Panics where `I` is a structure with a field that the operation's input does not have.
pub(crate) fn check_input_fields<I: DeserializeOwned>(service: &str, operation: &str) {
    let model = Model::get(service).expect("a service has a model");
    let mut fields = Fields(&[]);
    // The attempt fails by design, after the type has told its fields.
    let _ = I::deserialize(&mut fields);
    let input = model.operations[operation].input.and_then(|id| model.structure(id));
    for field in fields.0 {
        let known = input.is_some_and(|input| input.member(field).is_some());
        assert!(known, "the input of {service}:{operation} has no member {field}");
    }
}

struct Fields(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Fields {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        self.0 = fields;
        Err(Self::Error::custom("only the fields were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("not a structure"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Panics where an output does not fit its shape.
pub(crate) fn check_output(model: &Model, operation: &Operation, output: &dyn Output) {
    let value = output.to_value().expect("outputs serialize");
    match operation.output {
        Some(shape) => check_value(model, shape, &value, &operation.name),
        None => assert!(
            value.as_object().is_some_and(|map| map.is_empty()),
            "{} has no output",
            operation.name
        ),
    }
}

fn check_value(model: &Model, id: ShapeId, value: &Value, at: &str) {
    let shape = model.shape(id);
    match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(_)) if structure.document => {}
        (Kind::Structure(structure), Value::Object(map)) => {
            for (key, item) in map {
                let member = structure
                    .member(key)
                    .unwrap_or_else(|| panic!("{at}: {} has no member {key}", shape.name));
                check_value(model, member.shape, item, &format!("{at}.{key}"));
            }
            for member in structure.members.iter().filter(|member| member.required) {
                let present = map.get(&member.name).is_some_and(|item| !item.is_null());
                assert!(present, "{at}: {} requires {}", shape.name, member.name);
            }
        }
        (Kind::List { member, .. }, Value::Array(items)) => {
            items.iter().for_each(|item| check_value(model, member.shape, item, at));
        }
        (Kind::Map { value: element, .. }, Value::Object(map)) => {
            map.values()
                .for_each(|item| check_value(model, element.shape, item, at));
        }
        (Kind::String, Value::String(text)) => {
            let known = shape.allowed.is_empty() || shape.allowed.contains(text);
            assert!(known, "{at}: {text} is not one of {:?}", shape.allowed);
        }
        (Kind::Blob, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Integer | Kind::Long | Kind::Float | Kind::Double | Kind::Timestamp, Value::Number(_))
        | (_, Value::Null) => {}
        (kind, value) => panic!("{at}: {value} is no {kind:?}"),
    }
}
