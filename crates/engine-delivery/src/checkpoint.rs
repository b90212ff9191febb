//! What a delivery stream keeps, so that every record is delivered once whatever happens.
//!
//! For each partition of the log there is a low mark: all records below it are delivered. Buffers are written
//! each in their own time, so above the low mark some are delivered and some are not; for each buffer key that is
//! ahead there is a mark of its own. A plan stands while its object is being written.

use std::collections::HashMap;

use base::Scope;
use serde::{Deserialize, Serialize};
use store_meta::{Keyspace, Meta, MetaError, Read, Tx};

use crate::spec::DeliverySpec;

/// By delivery uid and partition: all records below this offset are delivered.
const LOW_MARKS: Keyspace<(String, u64), u64> = Keyspace::new("delivery/low-marks");
/// By delivery uid, buffer key and partition: this buffer's records below this offset are delivered.
const AHEAD: Keyspace<(String, String, u64), u64> = Keyspace::new("delivery/ahead");
/// By delivery uid and buffer key.
const PLANS: Keyspace<(String, String), Plan> = Keyspace::new("delivery/plans");
/// By delivery uid: the settings that records are being delivered by.
const IN_FORCE: Keyspace<String, InForce> = Keyspace::new("delivery/in-force");

/// By delivery uid: those that are half made or half removed. The next start removes what is left of them.
const REMOVING: Keyspace<String, Scope> = Keyspace::new("delivery/removing");

/// An object that is being written, and the records that go into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub bucket: String,
    pub object_key: String,
    /// Where records go that cannot be converted.
    pub error_key: String,
    pub ranges: Vec<Range>,
    /// The id of the first request, where the records are posted, whereupon `object_key` takes the documents of those
    /// that are not taken; or that of the transaction, where the object may be a file of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The version of the settings that it is written by; 0 for those in force, as plans had it that are older
    /// than this member.
    #[serde(default)]
    pub version: u64,
    /// Where the records go to a data stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamPlan>,
    /// Where they were to go to data streams before the settings changed: some may be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams_before: Vec<StreamPlan>,
    /// Whether the object was to be a file of a Delta table: that it is there does not tell then that it was committed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delta: bool,
}

impl Plan {
    /// By which a Delta table knows it.
    pub(crate) fn transaction(&self) -> &str {
        self.request_id.as_deref().unwrap_or(&self.object_key)
    }
}

/// By what the records of a plan are found again in a data stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamPlan {
    pub scope: Scope,
    pub name: String,
    /// The partitions of its shards and where they ended when it was planned. Those that are not here are newer.
    pub ends: Vec<(u64, u64)>,
    /// What was put behind each record.
    pub delimiter: String,
}

/// Records of one partition: those from `from` up to and without `to` that belong to the plan's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub partition: u64,
    pub from: u64,
    pub to: u64,
}

/// Settings and their version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InForce {
    pub version: u64,
    pub spec: DeliverySpec,
}

/// Everything that is kept of one delivery stream's progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub low: HashMap<u64, u64>,
    pub ahead: HashMap<(String, u64), u64>,
    pub plans: Vec<(String, Plan)>,
    pub in_force: Option<InForce>,
}

impl Progress {
    pub(crate) fn load(meta: &Meta, uid: &str) -> Result<Self, MetaError> {
        let prefix = (uid.to_owned(),);
        meta.read(|snapshot| {
            let low = snapshot.scan(&LOW_MARKS, &prefix, None, usize::MAX)?;
            let ahead = snapshot.scan(&AHEAD, &prefix, None, usize::MAX)?;
            let plans = snapshot.scan(&PLANS, &prefix, None, usize::MAX)?;
            Ok(Self {
                low: low
                    .into_iter()
                    .map(|((_, partition), offset)| (partition, offset))
                    .collect(),
                ahead: ahead
                    .into_iter()
                    .map(|((_, key, partition), offset)| ((key, partition), offset))
                    .collect(),
                plans: plans.into_iter().map(|((_, key), plan)| (key, plan)).collect(),
                in_force: snapshot.get(&IN_FORCE, &prefix.0)?,
            })
        })
    }
}

/// Where a new delivery stream begins.
pub(crate) fn begin(tx: &mut Tx<'_>, uid: &str, in_force: &InForce, low: &[(u64, u64)]) -> Result<(), MetaError> {
    for (partition, offset) in low {
        tx.put(&LOW_MARKS, &(uid.to_owned(), *partition), offset)?;
    }
    tx.put(&IN_FORCE, &uid.to_owned(), in_force)
}

/// Forgets everything of a delivery stream.
pub(crate) fn forget(tx: &mut Tx<'_>, uid: &str) -> Result<(), MetaError> {
    let prefix = (uid.to_owned(),);
    tx.delete_prefix(&LOW_MARKS, &prefix)?;
    tx.delete_prefix(&AHEAD, &prefix)?;
    tx.delete_prefix(&PLANS, &prefix)?;
    tx.delete(&IN_FORCE, &prefix.0).map(drop)
}

/// Has the next start remove what there is of a delivery stream, unless [`keep`] comes before it.
pub(crate) fn remove_at_start(tx: &mut Tx<'_>, uid: &str, scope: &Scope) -> Result<(), MetaError> {
    tx.put(&REMOVING, &uid.to_owned(), scope)
}

pub(crate) fn keep(tx: &mut Tx<'_>, uid: &str) -> Result<(), MetaError> {
    tx.delete(&REMOVING, &uid.to_owned()).map(drop)
}

/// The delivery streams that are half made or half removed.
pub(crate) fn being_removed(meta: &Meta) -> Result<Vec<(String, Scope)>, MetaError> {
    meta.read(|snapshot| snapshot.scan(&REMOVING, &(), None, usize::MAX))
}

pub(crate) async fn save_plans(meta: &Meta, uid: &str, plans: Vec<(String, Plan)>) -> Result<(), MetaError> {
    let uid = uid.to_owned();
    meta.write(move |tx| {
        plans
            .iter()
            .try_for_each(|(key, plan)| tx.put(&PLANS, &(uid.clone(), key.clone()), plan))
    })
    .await
}

/// What changes once planned objects are written, or new settings come into force.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub plans_done: Vec<String>,
    pub low: Vec<(u64, u64)>,
    pub ahead: Vec<((String, u64), u64)>,
    pub ahead_past: Vec<(String, u64)>,
    pub in_force: Option<InForce>,
}

pub(crate) async fn save_step(meta: &Meta, uid: &str, step: Step) -> Result<(), MetaError> {
    let uid = uid.to_owned();
    meta.write(move |tx| {
        for key in step.plans_done {
            tx.delete(&PLANS, &(uid.clone(), key))?;
        }
        for (partition, offset) in step.low {
            tx.put(&LOW_MARKS, &(uid.clone(), partition), &offset)?;
        }
        for ((key, partition), offset) in step.ahead {
            tx.put(&AHEAD, &(uid.clone(), key, partition), &offset)?;
        }
        for (key, partition) in step.ahead_past {
            tx.delete(&AHEAD, &(uid.clone(), key, partition))?;
        }
        match step.in_force {
            Some(in_force) => tx.put(&IN_FORCE, &uid, &in_force),
            None => Ok(()),
        }
    })
    .await
}
