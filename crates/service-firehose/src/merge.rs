//! UpdateDestination's merge: what an update does not name stays as it is.

use serde_json::Value;

/// What is replaced as a whole: structures of which one member excludes the others, maps, and the processors, as seen
/// on the service.
const REPLACED: [&str; 5] = [
    "Deserializer",
    "Serializer",
    "EncryptionConfiguration",
    "ColumnToJsonKeyMappings",
    "ProcessingConfiguration",
];

pub(crate) fn merge(kept: &mut Value, update: Value) {
    match (kept, update) {
        (Value::Object(kept), Value::Object(update)) => {
            for (name, value) in update {
                match kept.get_mut(&name) {
                    Some(before) if !REPLACED.contains(&name.as_str()) => merge(before, value),
                    _ => drop(kept.insert(name, value)),
                }
            }
        }
        (kept, update) => *kept = update,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let mut kept = json!({
            "Prefix": "a/", "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
            "Serializer": {"OrcSerDe": {}}, "Processors": [1, 2],
        });
        let update = json!({
            "ErrorOutputPrefix": "e/", "BufferingHints": {"IntervalInSeconds": 60},
            "Serializer": {"ParquetSerDe": {}}, "Processors": [],
        });
        merge(&mut kept, update);
        let expect = json!({
            "Prefix": "a/", "ErrorOutputPrefix": "e/", "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60},
            "Serializer": {"ParquetSerDe": {}}, "Processors": [],
        });
        assert_eq!(kept, expect);
    }
}
