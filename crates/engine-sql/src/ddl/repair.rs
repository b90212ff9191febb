//! MSCK REPAIR TABLE: partitions for the directories that have none.

use std::collections::BTreeSet;

use engine_catalog::{NULL_PARTITION, PartitionValues, Table, unescape_path_value};

use super::run::partition_spec;
use crate::SqlError;
use crate::engine::{Engine, Session};
use crate::objects::Location;

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
    let mut found = BTreeSet::new();
    let mut after = None;
    loop {
        let page = engine
            .objects()
            .list_page(&location, after.as_deref(), OBJECTS_PER_PAGE)
            .await?;
        for object in &page.objects {
            let below = object.key.strip_prefix(&location.prefix).unwrap_or(&object.key);
            found.extend(values_of(below, table));
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
    let missing: Vec<_> = found.difference(&known).cloned().collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<_> = missing.iter().map(|values| values.path(keys)).collect();
    let specs = missing
        .into_iter()
        .map(|values| partition_spec(table, values, None))
        .collect();
    engine
        .catalog()
        .create_partitions_if_absent(&session.scope, database, name, specs)
        .await?;
    let missing_list = paths
        .iter()
        .map(|path| format!("{name}:{path}"))
        .collect::<Vec<_>>()
        .join("\t");
    let mut lines = vec![format!("Partitions not in metastore:\t{missing_list}")];
    for path in paths {
        lines.push(format!("Repair: Added partition to metastore {name}:{path}"));
    }
    Ok(lines)
}

/// The values that the first directories of a path below the table name, one for each key.
fn values_of(path: &str, table: &Table) -> Option<PartitionValues> {
    let mut directories = path.trim_start_matches('/').split('/');
    let mut values = Vec::with_capacity(table.spec.partition_keys.len());
    for key in &table.spec.partition_keys {
        let (name, value) = directories.next()?.split_once('=')?;
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
    Some(PartitionValues(values))
}
