//! The things a catalog holds.
//!
//! Stored as JSON under the metastore's own member names. Members that nothing here works with are kept in
//! `other`, as they came, so that what a client stores is what it reads.

use std::collections::BTreeMap;

use base::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::PartitionValues;

pub type Parameters = BTreeMap<String, String>;

/// What a caller says about a database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DatabaseSpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where tables without a location of their own go, such as `s3://bucket/prefix/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    pub spec: DatabaseSpec,
    pub created_at_ms: Millis,
}

/// What a caller says about a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableSpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_descriptor: Option<StorageDescriptor>,
    #[serde(default)]
    pub partition_keys: Vec<Column>,
    /// `EXTERNAL_TABLE`, `VIRTUAL_VIEW` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_original_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_expanded_text: Option<String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl TableSpec {
    /// The data columns, without the partition keys.
    pub fn columns(&self) -> &[Column] {
        self.storage_descriptor.as_ref().map_or(&[], |storage| &storage.columns)
    }

    pub fn location(&self) -> Option<&str> {
        self.storage_descriptor.as_ref()?.location.as_deref()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.as_ref()?.get(name).map(String::as_str)
    }

    /// The format of a table whose own log says which of the files at its location are its: the parameter `table_type`,
    /// as Athena keeps it, or `spark.sql.sources.provider`, as Spark does, in any case.
    pub fn table_format(&self) -> Option<TableFormat> {
        let named = ["table_type", "spark.sql.sources.provider"];
        let mut named = named.iter().filter_map(|name| self.parameter(name));
        named.find_map(|value| match value.to_ascii_lowercase().as_str() {
            "delta" => Some(TableFormat::Delta),
            "iceberg" => Some(TableFormat::Iceberg),
            "hudi" => Some(TableFormat::Hudi),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    Delta,
    Iceberg,
    Hudi,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub database: String,
    pub spec: TableSpec,
    /// 0 at creation, one more at each update.
    pub version: u64,
    pub created_at_ms: Millis,
    pub updated_at_ms: Millis,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    pub name: String,
    /// In the Hive type grammar, such as `array<struct<a:int>>`; see [`crate::HiveType`].
    #[serde(default, rename = "Type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
}

impl Column {
    pub fn new(name: impl Into<String>, type_name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            type_name: Some(type_name.into()),
            ..Self::default()
        }
    }

    /// The declared type; a column without one is a string, as Hive has it.
    pub fn hive_type(&self) -> Result<crate::HiveType, crate::InvalidHiveType> {
        self.type_name.as_deref().unwrap_or("string").parse()
    }
}

/// Where a table's or partition's files are and how to read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StorageDescriptor {
    #[serde(default)]
    pub columns: Vec<Column>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_buckets: Option<i64>,
    #[serde(default, rename = "SerdeInfo", skip_serializing_if = "Option::is_none")]
    pub serde: Option<Serde>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl StorageDescriptor {
    /// The class that reads and writes rows, such as `org.openx.data.jsonserde.JsonSerDe`.
    pub fn serde_library(&self) -> Option<&str> {
        self.serde.as_ref()?.serialization_library.as_deref()
    }

    pub fn serde_parameter(&self, name: &str) -> Option<&str> {
        self.serde.as_ref()?.parameters.as_ref()?.get(name).map(String::as_str)
    }
}

/// The serializer and deserializer of a table's rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Serde {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serialization_library: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
}

/// What a caller says about a partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartitionSpec {
    /// One for each partition key, in their order.
    #[serde(default)]
    pub values: PartitionValues,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_descriptor: Option<StorageDescriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    pub spec: PartitionSpec,
    pub created_at_ms: Millis,
}
