//! The catalog as Athena shows it.

use engine_catalog::{Column, Database, Parameters, Table};
use protocol_aws::{AwsError, Timestamp};
use serde::Serialize;

/// The only catalog.
pub(crate) const CATALOG: &str = "AwsDataCatalog";

pub(crate) fn check_catalog(name: &str) -> Result<(), AwsError> {
    if name.eq_ignore_ascii_case(CATALOG) {
        return Ok(());
    }
    Err(AwsError::new(
        "MetadataException",
        format!("The catalog {name} was not found. There is only {CATALOG}."),
    ))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DatabaseShape {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

impl From<Database> for DatabaseShape {
    fn from(database: Database) -> Self {
        let spec = database.spec;
        Self {
            name: spec.name,
            description: spec.description,
            parameters: spec.parameters,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ColumnShape {
    name: String,
    #[serde(rename = "Type")]
    type_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl From<Column> for ColumnShape {
    fn from(column: Column) -> Self {
        let type_name = column.type_name.unwrap_or_else(|| "string".to_owned());
        Self {
            name: column.name,
            type_name,
            comment: column.comment,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableMetadata {
    name: String,
    create_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_type: Option<String>,
    columns: Vec<ColumnShape>,
    partition_keys: Vec<ColumnShape>,
    parameters: Parameters,
}

impl From<Table> for TableMetadata {
    /// Athena shows how the table is stored among its parameters.
    fn from(table: Table) -> Self {
        let spec = table.spec;
        let mut parameters = spec.parameters.unwrap_or_default();
        let mut columns = Vec::new();
        if let Some(storage) = spec.storage_descriptor {
            let serde = storage.serde.unwrap_or_default();
            let shown = [
                ("inputformat", storage.input_format),
                ("outputformat", storage.output_format),
                ("location", storage.location),
                ("serde.serialization.lib", serde.serialization_library),
            ];
            parameters.extend(
                shown
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?))),
            );
            let serde_parameters = serde.parameters.into_iter().flatten();
            parameters.extend(serde_parameters.map(|(name, value)| (format!("serde.param.{name}"), value)));
            columns = storage.columns.into_iter().map(ColumnShape::from).collect();
        }
        Self {
            name: spec.name,
            create_time: Timestamp(table.created_at_ms),
            table_type: spec.table_type,
            columns,
            partition_keys: spec.partition_keys.into_iter().map(ColumnShape::from).collect(),
            parameters,
        }
    }
}
