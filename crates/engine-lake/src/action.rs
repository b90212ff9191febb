//! The actions of the log, as far as we look at them ("Actions").

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::schema::Field;

/// One line of a commit, or one row of a checkpoint. What is none of these says nothing about a table's state, or is
/// of a feature that we do not support.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    pub protocol: Option<Protocol>,
    pub meta_data: Option<Metadata>,
    pub txn: Option<Transaction>,
    pub domain_metadata: Option<Domain>,
    pub add: Option<FileId>,
    pub remove: Option<FileId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub min_reader_version: u32,
    pub min_writer_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_features: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub format: Format,
    pub schema_string: String,
    pub partition_columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
    #[serde(default)]
    pub configuration: Option<HashMap<String, String>>,
}

impl Metadata {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.configuration.as_ref()?.get(name).map(String::as_str)
    }

    pub(crate) fn fields(&self) -> Result<Vec<Field>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Root {
            fields: Vec<Field>,
        }
        serde_json::from_str(&self.schema_string).map(|root: Root| root.fields)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub provider: String,
    #[serde(default)]
    pub options: Option<HashMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    pub app_id: String,
    pub version: i64,
    #[serde(default)]
    pub last_updated: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Domain {
    domain: String,
    #[serde(default)]
    removed: Option<bool>,
}

/// The parts of an `add` or `remove` that tell which logical file it is about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileId {
    path: String,
    #[serde(default)]
    deletion_vector: Option<DeletionVector>,
    #[serde(default)]
    deletion_timestamp: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeletionVector {
    storage_type: String,
    path_or_inline_dv: String,
    #[serde(default)]
    offset: Option<i64>,
}

/// Of actions with the same key the latest one holds ("Action Reconciliation").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Protocol,
    Metadata,
    Transaction(String),
    Domain(String),
    /// A path and the unique id of its deletion vector.
    File(String, Option<(String, String, Option<i64>)>),
}

impl Action {
    pub(crate) fn key(&self) -> Option<Key> {
        let file = self.add.as_ref().or(self.remove.as_ref()).map(FileId::key);
        file.or_else(|| self.txn.as_ref().map(|txn| Key::Transaction(txn.app_id.clone())))
            .or_else(|| {
                self.domain_metadata
                    .as_ref()
                    .map(|domain| Key::Domain(domain.domain.clone()))
            })
            .or_else(|| self.protocol.as_ref().map(|_| Key::Protocol))
            .or_else(|| self.meta_data.as_ref().map(|_| Key::Metadata))
    }

    /// Whether a checkpoint must hold the action: domains that were removed, and files that were removed before
    /// `tombstones_from_ms`, need not be in it.
    pub(crate) fn is_live(&self, tombstones_from_ms: i64) -> bool {
        let removed_ms = self
            .remove
            .as_ref()
            .map(|file| file.deletion_timestamp.unwrap_or_default());
        let is_removed_domain = self.domain_metadata.as_ref().and_then(|domain| domain.removed) == Some(true);
        removed_ms.is_none_or(|removed_ms| removed_ms >= tombstones_from_ms) && !is_removed_domain
    }
}

impl FileId {
    /// As the log has it, encoded.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn key(&self) -> Key {
        let vector = self.deletion_vector.as_ref();
        let vector = vector.map(|dv| (dv.storage_type.clone(), dv.path_or_inline_dv.clone(), dv.offset));
        Key::File(self.path.clone(), vector)
    }
}
