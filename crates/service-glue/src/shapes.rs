//! What several operations answer with.

use engine_catalog::{Database, DatabaseSpec, Partition, PartitionSpec, Table, TableSpec};
use protocol_aws::Timestamp;
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DatabaseShape {
    #[serde(flatten)]
    spec: DatabaseSpec,
    create_time: Timestamp,
    catalog_id: String,
}

impl DatabaseShape {
    pub(crate) fn new(catalog_id: &str, database: Database) -> Self {
        Self {
            spec: database.spec,
            create_time: Timestamp(database.created_at_ms),
            catalog_id: catalog_id.to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableShape {
    #[serde(flatten)]
    spec: TableSpec,
    database_name: String,
    create_time: Timestamp,
    update_time: Timestamp,
    catalog_id: String,
    pub(crate) version_id: String,
    is_registered_with_lake_formation: bool,
}

impl TableShape {
    pub(crate) fn new(catalog_id: &str, table: Table) -> Self {
        let mut spec = table.spec;
        // The service answers with a retention whether one was given or not.
        spec.other.entry("Retention").or_insert_with(|| 0.into());
        Self {
            spec,
            database_name: table.database,
            create_time: Timestamp(table.created_at_ms),
            update_time: Timestamp(table.updated_at_ms),
            catalog_id: catalog_id.to_owned(),
            version_id: table.version.to_string(),
            is_registered_with_lake_formation: false,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableVersionShape {
    version_id: String,
    table: TableShape,
}

impl TableVersionShape {
    pub(crate) fn new(catalog_id: &str, table: Table) -> Self {
        let table = TableShape::new(catalog_id, table);
        Self {
            version_id: table.version_id.clone(),
            table,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionShape {
    #[serde(flatten)]
    spec: PartitionSpec,
    database_name: String,
    table_name: String,
    creation_time: Timestamp,
    catalog_id: String,
}

impl PartitionShape {
    pub(crate) fn new(catalog_id: &str, database: &str, table: &str, partition: Partition) -> Self {
        Self {
            spec: partition.spec,
            database_name: database.to_lowercase(),
            table_name: table.to_lowercase(),
            creation_time: Timestamp(partition.created_at_ms),
            catalog_id: catalog_id.to_owned(),
        }
    }

    /// Leaves out the columns, which are most of a partition and the same in nearly all.
    pub(crate) fn without_columns(mut self) -> Self {
        if let Some(storage) = &mut self.spec.storage_descriptor {
            storage.columns.clear();
        }
        self
    }
}
