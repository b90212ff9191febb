//! Columns, as Arrow and as Delta have them ("Schema Serialization Format").

use arrow::datatypes::{DataType, Field as ArrowField, TimeUnit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A column. Its type is a primitive's name, or an object with the members of a struct, an array or a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: Value,
    pub nullable: bool,
    #[serde(default)]
    pub metadata: Value,
}

/// Characters that no column may have unless columns are mapped.
const NOT_IN_NAMES: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Arrow's columns as Delta's, or why they cannot be a table's.
pub(crate) fn fields_of<'a>(fields: impl IntoIterator<Item = &'a ArrowField>) -> Result<Vec<Field>, String> {
    let mut made: Vec<Field> = Vec::new();
    for field in fields {
        let name = field.name();
        if name.is_empty() || name.contains(NOT_IN_NAMES) {
            return Err(format!("{name:?} cannot name a column"));
        }
        if made
            .iter()
            .any(|other| other.name.to_lowercase() == name.to_lowercase())
        {
            return Err(format!(
                "two columns have the name {name:?}; capitals make no difference"
            ));
        }
        made.push(Field {
            name: name.clone(),
            data_type: type_of(field.data_type()).map_err(|reason| format!("column {name:?}: {reason}"))?,
            nullable: field.is_nullable(),
            metadata: json!({}),
        });
    }
    Ok(made)
}

fn type_of(data_type: &DataType) -> Result<Value, String> {
    Ok(match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "byte".into(),
        DataType::Int16 => "short".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "long".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) if *scale >= 0 => format!("decimal({precision},{scale})").into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp_ntz".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if matches!(&**zone, "UTC" | "+00:00") => {
            "timestamp".into()
        }
        DataType::Struct(fields) => {
            json!({"type": "struct", "fields": fields_of(fields.iter().map(AsRef::as_ref))?})
        }
        DataType::List(element) | DataType::LargeList(element) => {
            json!({
                "type": "array",
                "elementType": type_of(element.data_type())?,
                "containsNull": element.is_nullable(),
            })
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) if parts.len() == 2 => json!({
                "type": "map",
                "keyType": type_of(parts[0].data_type())?,
                "valueType": type_of(parts[1].data_type())?,
                "valueContainsNull": parts[1].is_nullable(),
            }),
            other => return Err(format!("a map of {other} is none")),
        },
        other => return Err(format!("Delta has no type for {other}")),
    })
}

/// Why values of type `given` cannot go into a column of type `table`, if they cannot. A struct may lack members that
/// may be NULL; otherwise the types must be the same, and where the column cannot hold NULL within, the values must
/// not be able to have it.
pub(crate) fn check_type(path: &str, table: &Value, given: &Value) -> Result<(), String> {
    let differ = || format!("column {path:?} is {}, not {}", type_name(table), type_name(given));
    let flag = |of: &Value, name: &str| of[name].as_bool().unwrap_or(true);
    match (table["type"].as_str(), given["type"].as_str()) {
        (None, None) if same_primitive(table, given) => Ok(()),
        (Some("struct"), Some("struct")) => {
            let members = |of: &Value| serde_json::from_value(of["fields"].clone()).map_err(|_| differ());
            let (table, given): (Vec<Field>, Vec<Field>) = (members(table)?, members(given)?);
            for field in &given {
                let path = format!("{path}.{}", field.name);
                let Some(column) = table.iter().find(|column| column.name == field.name) else {
                    return Err(format!("there is no column {path:?}"));
                };
                if field.nullable && !column.nullable {
                    return Err(format!("column {path:?} cannot be NULL"));
                }
                check_type(&path, &column.data_type, &field.data_type)?;
            }
            check_missing(path, &table, &given)
        }
        (Some("array"), Some("array")) => {
            if flag(given, "containsNull") && !flag(table, "containsNull") {
                return Err(format!("the elements of {path:?} cannot be NULL"));
            }
            check_type(&format!("{path}.element"), &table["elementType"], &given["elementType"])
        }
        (Some("map"), Some("map")) => {
            if flag(given, "valueContainsNull") && !flag(table, "valueContainsNull") {
                return Err(format!("the values of {path:?} cannot be NULL"));
            }
            check_type(&format!("{path}.key"), &table["keyType"], &given["keyType"])?;
            check_type(&format!("{path}.value"), &table["valueType"], &given["valueType"])
        }
        _ => Err(differ()),
    }
}

fn check_missing(path: &str, table: &[Field], given: &[Field]) -> Result<(), String> {
    let is_given = |column: &Field| given.iter().any(|field| field.name == column.name);
    match table.iter().find(|column| !column.nullable && !is_given(column)) {
        Some(column) => Err(format!(
            "column \"{path}.{}\" is missing and cannot be NULL",
            column.name
        )),
        None => Ok(()),
    }
}

/// Other writers may put blanks into `decimal(10, 2)`.
fn same_primitive(a: &Value, b: &Value) -> bool {
    matches!((a.as_str(), b.as_str()), (Some(a), Some(b)) if a.replace(' ', "") == b.replace(' ', ""))
}

fn type_name(data_type: &Value) -> String {
    let name = data_type.as_str().or_else(|| data_type["type"].as_str());
    name.unwrap_or("of an unknown type").to_owned()
}

/// The names of all primitive types in a type.
pub(crate) fn data_type_names(data_type: &Value) -> Vec<&str> {
    match data_type {
        Value::String(name) => vec![name],
        Value::Object(members) => {
            let fields = members.get("fields").and_then(Value::as_array);
            let fields = fields.into_iter().flatten().filter_map(|field| field.get("type"));
            let parts = ["elementType", "keyType", "valueType"]
                .into_iter()
                .filter_map(|part| members.get(part));
            fields.chain(parts).flat_map(data_type_names).collect()
        }
        _ => Vec::new(),
    }
}
