//! Which tables we may write: what their protocol, properties and columns ask of a writer ("Table Features").

use serde_json::Value;

use crate::action::{Metadata, Protocol};
use crate::schema::{Field, data_type_names};

/// Features that ask nothing of a writer who only adds files, or nothing unless a property or a column makes use of
/// them, which [`check`] looks at.
const FEATURES: &[&str] = &[
    "allowColumnDefaults",
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "columnMapping",
    "deletionVectors",
    "domainMetadata",
    "generatedColumns",
    "identityColumns",
    "invariants",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
];

/// What columns say where a writer would have to compute or check their values.
const COLUMN_RULES: &[(&str, &str)] = &[
    ("CURRENT_DEFAULT", "default values"),
    ("delta.generationExpression", "generated columns"),
    ("delta.identity.", "identity columns"),
    ("delta.invariants", "invariants"),
    ("delta.columnMapping.", "column mapping"),
];

/// The feature without which no table may have timestamps without a time zone.
const TIMESTAMP_NTZ: &str = "timestampNtz";

/// The protocol of a table that we make.
pub(crate) fn protocol_for(fields: &[Field]) -> Protocol {
    let mut names = fields.iter().flat_map(|field| data_type_names(&field.data_type));
    let features = names
        .any(|name| name == "timestamp_ntz")
        .then(|| vec![TIMESTAMP_NTZ.to_owned()]);
    Protocol {
        min_reader_version: if features.is_some() { 3 } else { 1 },
        min_writer_version: if features.is_some() { 7 } else { 2 },
        reader_features: features.clone(),
        writer_features: features,
    }
}

/// Why we cannot add files to a table, if we cannot.
pub(crate) fn check(protocol: &Protocol, metadata: &Metadata, fields: &[Field]) -> Result<(), String> {
    let Protocol {
        min_reader_version: reader,
        min_writer_version: writer,
        ..
    } = *protocol;
    if reader > 3 || writer > 7 {
        return Err(format!(
            "it has reader version {reader} and writer version {writer}; the last known are 3 and 7"
        ));
    }
    let features = [&protocol.reader_features, &protocol.writer_features];
    let mut features = features.into_iter().flatten().flatten();
    if let Some(feature) = features.find(|feature| !FEATURES.contains(&feature.as_str())) {
        return Err(format!("it has the table feature {feature:?}, which is not supported"));
    }
    if metadata.format.provider != "parquet" {
        return Err(format!("its files are {}, not Parquet", metadata.format.provider));
    }
    let mapping = metadata.property("delta.columnMapping.mode").unwrap_or("none");
    if mapping != "none" {
        return Err(format!(
            "its columns are mapped by {mapping} (delta.columnMapping.mode), which is not supported"
        ));
    }
    let properties = metadata.configuration.iter().flat_map(|all| all.keys());
    if let Some(constraint) = properties
        .into_iter()
        .find(|name| name.starts_with("delta.constraints."))
    {
        return Err(format!(
            "it has the CHECK constraint {constraint}, and constraints are not supported"
        ));
    }
    for field in fields {
        check_column(&field.name, &field.metadata, &field.data_type)?;
    }
    Ok(())
}

fn check_column(name: &str, metadata: &Value, data_type: &Value) -> Result<(), String> {
    let keys = metadata.as_object().into_iter().flat_map(|all| all.keys());
    for key in keys {
        if let Some((_, rule)) = COLUMN_RULES.iter().find(|(prefix, _)| key.starts_with(prefix)) {
            return Err(format!("its column {name:?} has {key}, and {rule} are not supported"));
        }
    }
    // Columns within columns have metadata too.
    match data_type {
        Value::Object(members) => {
            let within = members.get("fields").and_then(Value::as_array);
            for field in within.into_iter().flatten() {
                let name = format!("{name}.{}", field["name"].as_str().unwrap_or_default());
                check_column(&name, &field["metadata"], &field["type"])?;
            }
            for part in ["elementType", "keyType", "valueType"] {
                check_column(name, &Value::Null, &members.get(part).cloned().unwrap_or_default())?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_case(protocol: Value, configuration: Value, column: Value, expect: Result<(), &str>) {
        let metadata = json!({
            "id": "1", "format": {"provider": "parquet"}, "partitionColumns": [], "configuration": configuration,
            "schemaString": json!({"type": "struct", "fields": [column]}).to_string(),
        });
        let metadata: Metadata = serde_json::from_value(metadata).expect("metadata");
        let protocol = serde_json::from_value(protocol).expect("a protocol");
        let found = check(&protocol, &metadata, &metadata.fields().expect("fields"));
        match expect {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => assert!(found.as_ref().is_err_and(|found| found.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn what_a_table_may_ask_of_a_writer() {
        let plain = || json!({"name": "a", "type": "long", "nullable": true, "metadata": {}});
        let versions = |reader: u32, writer: u32| json!({"minReaderVersion": reader, "minWriterVersion": writer});
        let features = |names: &[&str]| json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [], "writerFeatures": names});
        check_case(versions(1, 2), json!({}), plain(), Ok(()));
        check_case(
            versions(2, 6),
            json!({"delta.columnMapping.mode": "none"}),
            plain(),
            Ok(()),
        );
        check_case(versions(4, 7), json!({}), plain(), Err("reader version 4"));
        check_case(
            features(&["deletionVectors", "appendOnly", "typeWidening"]),
            json!({}),
            plain(),
            Ok(()),
        );
        for unknown in [
            "rowTracking",
            "v2Checkpoint",
            "catalogManaged",
            "inCommitTimestamp",
            "other",
        ] {
            check_case(features(&["appendOnly", unknown]), json!({}), plain(), Err(unknown));
        }
        check_case(
            versions(2, 5),
            json!({"delta.columnMapping.mode": "name"}),
            plain(),
            Err("columnMapping"),
        );
        check_case(
            versions(1, 3),
            json!({"delta.constraints.positive": "a > 0"}),
            plain(),
            Err("positive"),
        );
        for rule in [
            "CURRENT_DEFAULT",
            "delta.generationExpression",
            "delta.identity.start",
            "delta.invariants",
        ] {
            let column = json!({"name": "a", "type": "long", "nullable": true, "metadata": {rule: "1"}});
            check_case(versions(1, 6), json!({}), column.clone(), Err(rule));
            let inner = json!({"type": "struct", "fields": [column]});
            let outer = json!({"type": "array", "elementType": inner, "containsNull": true});
            let column = json!({"name": "b", "type": outer, "nullable": true, "metadata": {}});
            check_case(versions(1, 6), json!({}), column, Err(rule));
        }
    }
}
