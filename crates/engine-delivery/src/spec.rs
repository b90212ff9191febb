//! What a delivery stream is asked to do.

use std::collections::BTreeMap;

use base::{Millis, Scope};
use engine_formats::{Compression, JsonOptions, ParquetOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// From callers; they go to a stream of the log that is the delivery stream's own.
    DirectPut,
    /// From the data stream of this name in this scope, beginning with what arrives after creation.
    Stream { scope: Scope, name: String },
}

/// JSON to Parquet by a table of the catalog, looked up at each delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    pub scope: Scope,
    pub database: String,
    pub table: String,
    pub json: JsonOptions,
    pub parquet: ParquetOptions,
}

/// From where to where and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliverySpec {
    pub source: Source,
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
    /// A JQ query whose result is an object of partition keys; see [`crate::PartitionQuery`].
    pub partition_query: Option<String>,
    /// Appended to every record that is not converted.
    pub delimiter: Option<String>,
    pub conversion: Option<Conversion>,
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
