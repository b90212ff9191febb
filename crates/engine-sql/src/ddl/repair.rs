//! MSCK REPAIR TABLE: partitions for the directories that have none.

use std::collections::{BTreeMap, BTreeSet};

use engine_catalog::{NULL_PARTITION, PartitionValues, Table, unescape_path_value};

use super::run::{PARTITIONS_PER_WRITE, partition_spec};
use crate::SqlError;
use crate::engine::{Engine, Session};
use crate::objects::{Location, is_hidden};
use crate::scan::check_value;

/// How many objects one look at the listing takes.
const OBJECTS_PER_PAGE: usize = 1_000;

/// Adds what `s3://..table/key=value/..` paths name and the catalog lacks, and tells what it did.
pub(super) async fn repair(engine: &Engine, session: &Session, table: &Table) -> Result<Vec<String>, SqlError> {
    let keys = &table.spec.partition_keys;
    let (database, name) = (&table.database, &table.spec.name);
    if keys.is_empty() {
        return Err(SqlError::user(format!(
            "FAILED: SemanticException [Error 10241]: Table {database}.{name} is not a partitioned table"
        )));
    }
    let location = Location::parse(table.spec.location().unwrap_or(""))?;
    // Of each partition, the directory that it was found in, which need not be spelt as Hive would.
    let mut found: BTreeMap<PartitionValues, String> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = engine
            .objects(session)
            .list_page(&location, after.as_deref(), OBJECTS_PER_PAGE)
            .await?;
        for object in &page.objects {
            let below = object.key.strip_prefix(&location.prefix).unwrap_or(&object.key);
            if let Some((values, directory)) = partition_of(below, table).filter(|_| !is_hidden(below)) {
                found.entry(values).or_insert(directory);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let known = engine
        .catalog()
        .partitions(&session.scope, database, name, None, usize::MAX, |_| true)?;
    let known: BTreeSet<_> = known.into_iter().map(|partition| partition.spec.values).collect();
    found.retain(|values, _| !known.contains(values));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (mut paths, mut unfit, mut specs) = (Vec::new(), Vec::new(), Vec::new());
    let table_location = table.spec.location().unwrap_or("").trim_end_matches('/');
    for (values, directory) in found {
        let path = values.path(keys);
        if !fits(&values, table)? {
            unfit.push(path);
            continue;
        }
        paths.push(path);
        specs.push(partition_spec(
            table,
            values,
            Some(format!("{table_location}/{directory}")),
        ));
    }
    for specs in specs.chunks(PARTITIONS_PER_WRITE) {
        engine
            .catalog()
            .create_partitions_if_absent(&session.scope, database, name, specs.to_vec())
            .await?;
    }
    let missing_list = paths
        .iter()
        .map(|path| format!("{name}:{path}"))
        .collect::<Vec<_>>()
        .join("\t");
    let mut lines = Vec::new();
    if !paths.is_empty() {
        lines.push(format!("Partitions not in metastore:\t{missing_list}"));
    }
    for path in paths {
        lines.push(format!("Repair: Added partition to metastore {name}:{path}"));
    }
    for path in unfit {
        lines.push(format!(
            "Repair: Cannot add partition {name}:{path} due to values that are not of the keys' types"
        ));
    }
    Ok(lines)
}

/// Whether each value is of its key's type. One that is not would fail every query on the table.
fn fits(values: &PartitionValues, table: &Table) -> Result<bool, SqlError> {
    for (value, key) in values.0.iter().zip(&table.spec.partition_keys) {
        if !check_value(value, key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values that the first directories of a path below the table name, one for each key, and those directories.
fn partition_of(path: &str, table: &Table) -> Option<(PartitionValues, String)> {
    let mut directories = path.split('/');
    let mut own = String::new();
    let mut values = Vec::with_capacity(table.spec.partition_keys.len());
    for key in &table.spec.partition_keys {
        let directory = directories.next()?;
        own.push_str(directory);
        own.push('/');
        let (name, value) = directory.split_once('=')?;
        if !unescape_path_value(name).eq_ignore_ascii_case(&key.name) {
            return None;
        }
        values.push(if value == NULL_PARTITION {
            value.to_owned()
        } else {
            unescape_path_value(value)
        });
    }
    // A file must follow: what is left is its name, or directories and its name.
    directories.next()?;
    Some((PartitionValues(values), own))
}
