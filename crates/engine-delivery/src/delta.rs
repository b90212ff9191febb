//! Objects as files of Delta tables.
//!
//! Which tables of the catalog are Delta tables, [`engine_catalog::TableSpec::table_format`] says. The table is made at
//! its location by the first delivery.

use std::collections::BTreeMap;

use engine_catalog::{Table, TableFormat};
use engine_formats::{arrow_schema, without_views};
use engine_lake::{AddedFile, DeltaTable, LakeError, Location, Outcome, TableSpec};

use crate::DeliveryParts;
use crate::checkpoint::Plan;
use crate::compactions::Compactions;
use crate::register;

const PARQUET_MAGIC: &[u8] = b"PAR1";
/// What is said of other files.
pub(crate) const ONLY_PARQUET: &str = "Delta tables hold Parquet files; ask for ParquetSerDe";

pub(crate) fn is_delta(table: &Table) -> bool {
    table.spec.table_format() == Some(TableFormat::Delta)
}

/// The parameter of tables whose small files are to be put together, into files of so many megabytes.
const COMPACT_TO_MB: &str = "catchment.compact_to_mb";
/// A file on its way is in memory.
const COMPACT_TO_MB_MAX: u64 = 128;

/// Why a file was not committed.
#[derive(Debug)]
pub(crate) enum NotAppended {
    /// Its partition is none that the table can have, so that no other attempt would end otherwise.
    NoPartition(String),
    /// Until the table, the settings or the place are mended.
    Yet(String),
}

impl From<String> for NotAppended {
    fn from(why: String) -> Self {
        Self::Yet(why)
    }
}

/// Whether the table has the transaction of a plan; `None` where its object is not below the table's location, whose
/// log tells nothing of it then.
pub(crate) async fn is_committed(parts: &DeliveryParts, table: &Table, plan: &Plan) -> Result<Option<bool>, String> {
    let home = table.spec.location().unwrap_or_default();
    let object = format!("s3://{}/{}", plan.bucket, plan.object_key);
    let is_below = object.starts_with(&format!("{}/", home.trim_end_matches('/')));
    let Some(location) = Location::parse(home).ok().filter(|_| is_below) else {
        return Ok(None);
    };
    let (objects, app_id) = (parts.objects.clone(), app_id(plan.transaction()));
    let has_step = DeltaTable::has_step(objects, location, &app_id, 0);
    has_step.await.map(Some).map_err(text)
}

fn app_id(transaction: &str) -> String {
    format!("catchment/{transaction}")
}

/// Commits a Parquet file to the table, once however often it is called for the same transaction, and returns its bytes.
pub(crate) async fn append(
    parts: &DeliveryParts,
    compactions: &Compactions,
    table: &Table,
    bucket: &str,
    object_key: &str,
    transaction: &str,
    file: Vec<u8>,
) -> Result<u64, NotAppended> {
    if !file.starts_with(PARQUET_MAGIC) {
        return Err(ONLY_PARQUET.to_owned().into());
    }
    let home = table.spec.location().unwrap_or_default();
    let location = Location::parse(home).map_err(text)?;
    let object = format!("s3://{bucket}/{object_key}");
    let path = object.strip_prefix(&format!("{}/", home.trim_end_matches('/')));
    let path = path.ok_or_else(|| format!("{object} is not below the Delta table's location {home}"))?;
    let partitions = &table.spec.partition_keys;
    let values = match register::place(table, bucket, object_key) {
        Some((values, _)) => values.0,
        None => {
            let names: Vec<_> = partitions.iter().map(|key| key.name.as_str()).collect();
            let why = format!("{object} does not name the Delta table's partition columns {names:?}");
            return Err(why.into());
        }
    };
    let values = partitions.iter().zip(values);
    let values = values.map(|(key, value)| (key.name.clone(), Some(value)));
    let columns = [table.spec.columns(), partitions].concat();
    let schema = arrow_schema(&columns).map_err(text)?;
    let spec = TableSpec {
        schema: without_views(&schema),
        partition_columns: partitions.iter().map(|key| key.name.clone()).collect(),
        name: Some(table.spec.name.clone()),
    };
    let (objects, clock, random) = (parts.objects.clone(), parts.clock.clone(), parts.random.clone());
    let opened = DeltaTable::open_or_create(objects, clock, random, location, &spec);
    let bytes = file.len() as u64;
    let added = AddedFile {
        path: path.to_owned(),
        bytes: file.into(),
        partition_values: values.collect::<BTreeMap<_, _>>(),
    };
    let opened = opened.await.map_err(text)?;
    let appended = opened.append(&app_id(transaction), 0, vec![added]).await;
    let outcome = appended.map_err(|error| match error {
        LakeError::PartitionValue { .. } => NotAppended::NoPartition(error.to_string()),
        other => NotAppended::Yet(other.to_string()),
    })?;
    match outcome {
        Outcome::Committed { .. } => {
            if let Some(target_bytes) = compact_to_bytes(table) {
                compactions.note_commit(parts, home, opened, target_bytes);
            }
        }
        Outcome::AlreadyCommitted => {}
    }
    Ok(bytes)
}

fn compact_to_bytes(table: &Table) -> Option<u64> {
    let wanted = table.spec.parameter(COMPACT_TO_MB)?;
    let megabytes = wanted
        .parse()
        .ok()
        .filter(|megabytes| (1..=COMPACT_TO_MB_MAX).contains(megabytes));
    if megabytes.is_none() {
        let table = &table.spec.name;
        tracing::warn!(
            table,
            wanted,
            "{COMPACT_TO_MB} is no number from 1 to {COMPACT_TO_MB_MAX}; nothing is compacted"
        );
    }
    Some(megabytes? << 20)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
