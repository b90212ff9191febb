//! What a delivery stream is asked to do.

use std::collections::BTreeMap;
use std::fmt;

use base::{Millis, Scope};
use engine_catalog::{Catalog, CatalogError, Table};
use engine_formats::{Compression, JsonOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http_endpoint::HttpEndpoint;
use crate::output::Output;
use crate::processing::Processing;
use crate::stream_destination::StreamDestination;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// From callers; they go to a stream of the log that is the delivery stream's own.
    DirectPut,
    /// From the data stream of this name in this scope, beginning with what arrives after creation.
    Stream { scope: Scope, name: String },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectPut => f.write_str("direct put"),
            Self::Stream { name, .. } => f.write_str(name),
        }
    }
}

/// JSON to columns by a table of the catalog, or one version of it, looked up at each delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    pub scope: Scope,
    pub database: String,
    pub table: String,
    /// The newest where there is none.
    #[serde(default)]
    pub version: Option<u64>,
    pub json: JsonOptions,
    /// Unless the table asks for another.
    #[serde(default)]
    pub output: Output,
}

impl Conversion {
    /// The table as it is now.
    pub(crate) fn find(&self, catalog: &Catalog) -> Result<Table, CatalogError> {
        match self.version {
            None => catalog.table(&self.scope, &self.database, &self.table),
            Some(version) => catalog.table_version(&self.scope, &self.database, &self.table, version),
        }
    }
}

/// Where records go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Destination {
    /// The bucket.
    #[default]
    Objects,
    /// An HTTP endpoint. The bucket takes what the endpoint does not.
    Http(HttpEndpoint),
    /// A data stream. The bucket takes what the stream does not.
    Stream(StreamDestination),
}

/// From where to where and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliverySpec {
    pub source: Source,
    #[serde(default)]
    pub destination: Destination,
    pub bucket: String,
    /// See [`crate::Prefix`].
    pub prefix: String,
    pub error_prefix: String,
    /// A buffer is written when it holds so many bytes of records ..
    pub buffer_bytes: u64,
    /// .. or when its first record has waited so long, in milliseconds.
    pub buffer_interval_ms: Millis,
    /// Of objects that are not converted.
    pub compression: Compression,
    /// Replaces the extension that format and compression give.
    pub file_extension: Option<String>,
    /// An IANA name, for times in prefixes and names.
    pub time_zone: String,
    #[serde(default)]
    pub processing: Processing,
    /// A JQ query whose result is an object of partition keys; see [`crate::PartitionQuery`].
    pub partition_query: Option<String>,
    /// Appended to every record that is not converted.
    pub delimiter: Option<String>,
    pub conversion: Option<Conversion>,
    #[serde(default)]
    pub backup: Option<Backup>,
}

impl DeliverySpec {
    /// The destination as people write it.
    pub(crate) fn place(&self) -> String {
        match &self.destination {
            Destination::Objects => format!("s3://{}/{}", self.bucket, self.prefix),
            Destination::Http(endpoint) => endpoint.url.clone(),
            Destination::Stream(stream) => format!("kinesis://{}", stream.name),
        }
    }
}

/// Where source records go besides, as they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    pub bucket: String,
    pub prefix: String,
    pub error_prefix: String,
    pub buffer_bytes: u64,
    pub buffer_interval_ms: Millis,
    pub compression: Compression,
}

/// A delivery stream's work: the one that it is there for, and the backup of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Main,
    Backup,
}

impl Role {
    /// The roles of a delivery stream.
    pub(crate) fn of(spec: &DeliverySpec) -> impl Iterator<Item = Self> {
        [Self::Main]
            .into_iter()
            .chain(spec.backup.is_some().then_some(Self::Backup))
    }

    /// Under which its progress is kept.
    pub(crate) fn uid(self, uid: &str) -> String {
        match self {
            Self::Main => uid.to_owned(),
            Self::Backup => format!("{uid}/backup"),
        }
    }

    /// What the role is asked to do; `None` where there is no such work.
    pub(crate) fn spec(self, spec: &DeliverySpec) -> Option<DeliverySpec> {
        if self == Self::Main {
            return Some(spec.clone());
        }
        let backup = spec.backup.clone()?;
        Some(DeliverySpec {
            source: spec.source.clone(),
            destination: Destination::Objects,
            bucket: backup.bucket,
            prefix: backup.prefix,
            error_prefix: backup.error_prefix,
            buffer_bytes: backup.buffer_bytes,
            buffer_interval_ms: backup.buffer_interval_ms,
            compression: backup.compression,
            file_extension: None,
            time_zone: spec.time_zone.clone(),
            processing: Processing::default(),
            partition_query: None,
            delimiter: None,
            conversion: None,
            backup: None,
        })
    }
}

/// A delivery stream as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub scope: Scope,
    pub name: String,
    /// Never used again.
    pub uid: String,
    /// 1 at creation, one more at each update; it stands in objects' names.
    pub version: u64,
    pub created_ms: Millis,
    pub updated_ms: Millis,
    pub spec: DeliverySpec,
    /// What the caller asked for, kept as it came so that it can be described back.
    pub config: Value,
    pub tags: BTreeMap<String, String>,
}
