//! What is kept of a stream.

use std::collections::{BTreeMap, BTreeSet};

use base::{Millis, Scope};
use serde::{Deserialize, Serialize};

use super::{HashKey, Step, TIER_TAG};

/// Who a stream is for. Each kind has its own names, and nobody sees the streams of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// What users make as data streams.
    Data,
    /// What the platform keeps for itself, such as a delivery stream's direct puts.
    Internal,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Internal => "internal",
        }
    }
}

/// What names a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamId {
    pub kind: Kind,
    pub scope: Scope,
    pub name: String,
}

impl StreamId {
    pub fn new(kind: Kind, scope: &Scope, name: impl Into<String>) -> Self {
        Self {
            kind,
            scope: scope.clone(),
            name: name.into(),
        }
    }

    pub(crate) fn key(&self) -> (String, Scope, String) {
        (self.kind.as_str().to_owned(), self.scope.clone(), self.name.clone())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    Provisioned,
    OnDemand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamStatus {
    Creating,
    Active,
    Updating,
    Deleting,
}

/// What a stream in a passing status is waiting for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pending {
    /// Nothing but the time: then it is active.
    Active,
    Delete,
    Reshard {
        steps: Vec<Step>,
        /// Noted as a change of the count.
        is_rescale: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    pub id: StreamId,
    /// Never used again, not even for a stream of the same name.
    pub uid: u64,
    pub created_ms: Millis,
    pub status: StreamStatus,
    pub mode: Mode,
    pub retention_hours: u32,
    /// The largest record: data and partition key together.
    pub record_bytes_max: u32,
    pub tags: BTreeMap<String, String>,
    /// The key that records are encrypted with, as the caller named it.
    pub encryption_key: Option<String>,
    /// The shard-level metrics that are switched on.
    pub shard_metrics: BTreeSet<String>,
    /// Who else may do what, a JSON document kept as it was given.
    pub policy: Option<String>,
    /// Those registered to read with a throughput of their own.
    pub consumers: Vec<ConsumerInfo>,
    /// The throughput that an on-demand stream is kept ready for, in MiB/s.
    pub warm_throughput_mibps: Option<u32>,
    /// When the mode, and when the number of shards, was changed within the last day.
    pub mode_changes_ms: Vec<Millis>,
    pub count_changes_ms: Vec<Millis>,
    /// What ends the present status, where that takes time.
    pub pending: Option<Pending>,
    /// By number, closed ones included. A shard's index here is its partition in a Kafka topic.
    pub shards: Vec<ShardInfo>,
}

impl StreamInfo {
    /// How old records are when they may go to the tier, as the stream's tag says it.
    pub fn tier_after_hours(&self) -> Option<u32> {
        self.tags.get(TIER_TAG)?.parse().ok()
    }
}

/// A registered consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerInfo {
    pub name: String,
    pub created_ms: Millis,
    pub tags: BTreeMap<String, String>,
    /// Who else may do what, a JSON document kept as it was given.
    pub policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Counts from 0 in each stream and is never used again; children have higher ones than their parents.
    pub number: u32,
    /// The id of its partition of the log.
    pub partition: u64,
    /// The range of hash keys it takes, both ends included.
    pub first_hash: HashKey,
    pub last_hash: HashKey,
    /// The shards it came from: one after a split, two after a merge.
    pub parents: Vec<u32>,
    pub created_ms: Millis,
    /// The second that its sequence numbers begin with: its creation's, but later than its parents'.
    pub numbered_from_s: u64,
    /// Set once it takes no more records.
    pub closed: Option<Closed>,
    /// Records below were past their retention at a moment when it was raised, and stay gone.
    #[serde(default)]
    pub trimmed_below: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// One past the last record.
    pub end_offset: u64,
    pub at_ms: Millis,
}
