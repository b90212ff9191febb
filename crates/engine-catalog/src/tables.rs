//! Tables and their versions.

use base::Scope;
use store_meta::{Keyspace, MetaError, Read, Tx};

use crate::catalog::{existing_database, fold, fold_name};
use crate::partitions::PARTITIONS;
use crate::tags::TAGS;
use crate::{Catalog, CatalogError, Table, TableSpec};

pub(crate) type TableKey = (Scope, String, String);

pub(crate) const TABLES: Keyspace<TableKey, Table> = Keyspace::new("catalog/tables");
/// Versions that an update replaced; the newest stands in [`TABLES`].
pub(crate) const VERSIONS: Keyspace<(Scope, String, String, u64), Table> = Keyspace::new("catalog/table-versions");

/// How many replaced versions a table keeps; the oldest go first.
const VERSIONS_KEPT_MAX: u64 = 1_000;

/// How an update treats versions.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableUpdate {
    /// Refuse unless the table is still at this version.
    pub expected_version: Option<u64>,
    /// Do not keep the version that this update replaces.
    pub skip_archive: bool,
}

impl Catalog {
    pub async fn create_table(&self, scope: &Scope, database: &str, spec: TableSpec) -> Result<(), CatalogError> {
        let spec = fold_table(spec)?;
        let key = (scope.clone(), fold(database), spec.name.clone());
        let now = self.clock.now_ms();
        self.meta
            .write(move |tx| {
                existing_database(tx, &(key.0.clone(), key.1.clone()))?;
                if tx.get(&TABLES, &key)?.is_some() {
                    return Err(CatalogError::TableExists {
                        database: key.1,
                        table: key.2,
                    });
                }
                let table = Table {
                    database: key.1.clone(),
                    spec,
                    version: 0,
                    created_at_ms: now,
                    updated_at_ms: now,
                };
                Ok(tx.put(&TABLES, &key, &table)?)
            })
            .await
    }

    /// Tells a missing database from a missing table.
    pub fn table(&self, scope: &Scope, database: &str, name: &str) -> Result<Table, CatalogError> {
        let key = (scope.clone(), fold(database), fold(name));
        match self.meta.read(|s| s.get(&TABLES, &key))? {
            Some(table) => Ok(table),
            None => {
                self.database(scope, database)?;
                Err(CatalogError::TableNotFound {
                    database: key.1,
                    table: key.2,
                })
            }
        }
    }

    /// At most `limit` tables that `keep` lets through, in order of their names, behind `after` where given.
    pub fn tables(
        &self,
        scope: &Scope,
        database: &str,
        after: Option<&str>,
        limit: usize,
        mut keep: impl FnMut(&Table) -> bool,
    ) -> Result<Vec<Table>, CatalogError> {
        self.database(scope, database)?;
        let database = fold(database);
        let after = after.map(|name| (scope.clone(), database.clone(), fold(name)));
        let mut found = Vec::new();
        self.meta.read(|s| {
            s.visit(
                &TABLES,
                &(scope.clone(), database.clone()),
                after.as_ref(),
                |_, table| {
                    if found.len() < limit && keep(&table) {
                        found.push(table);
                    }
                    found.len() < limit
                },
            )
        })?;
        Ok(found)
    }

    /// Replaces what callers say about the table named in `spec` and returns the new version.
    pub async fn update_table(
        &self,
        scope: &Scope,
        database: &str,
        spec: TableSpec,
        update: TableUpdate,
    ) -> Result<Table, CatalogError> {
        let spec = fold_table(spec)?;
        let key = (scope.clone(), fold(database), spec.name.clone());
        let now = self.clock.now_ms();
        self.meta
            .write(move |tx| {
                let before = existing_table(tx, &key)?;
                if let Some(expected) = update.expected_version.filter(|expected| *expected != before.version) {
                    let (_, database, table) = key;
                    return Err(CatalogError::VersionMismatch {
                        database,
                        table,
                        expected,
                        current: before.version,
                    });
                }
                let version = before.version + 1;
                let table = Table {
                    spec,
                    version,
                    updated_at_ms: now,
                    ..before.clone()
                };
                tx.put(&TABLES, &key, &table)?;
                let (scope, database, name) = key;
                if !update.skip_archive {
                    let archived = (scope.clone(), database.clone(), name.clone(), before.version);
                    tx.put(&VERSIONS, &archived, &before)?;
                }
                if let Some(oldest) = version.checked_sub(VERSIONS_KEPT_MAX + 1) {
                    tx.delete(&VERSIONS, &(scope, database, name, oldest))?;
                }
                Ok(table)
            })
            .await
    }

    /// Removes a table with its versions and partitions. Files stay where they are.
    pub async fn delete_table(&self, scope: &Scope, database: &str, name: &str) -> Result<(), CatalogError> {
        let key = (scope.clone(), fold(database), fold(name));
        self.meta
            .write(move |tx| {
                existing_table(tx, &key)?;
                tx.delete(&TABLES, &key)?;
                tx.delete_prefix(&VERSIONS, &key)?;
                tx.delete_prefix(&PARTITIONS, &key)?;
                tx.delete_prefix(&TAGS, &key)?;
                Ok(())
            })
            .await
    }

    pub fn table_version(
        &self,
        scope: &Scope,
        database: &str,
        name: &str,
        version: u64,
    ) -> Result<Table, CatalogError> {
        let key = (scope.clone(), fold(database), fold(name));
        let archived_key = (scope.clone(), fold(database), fold(name), version);
        let (current, archived) = self
            .meta
            .read(|s| Ok::<_, MetaError>((s.get(&TABLES, &key)?, s.get(&VERSIONS, &archived_key)?)))?;
        let current = match current {
            Some(current) => current,
            None => self.table(scope, database, name)?,
        };
        let found = if current.version == version {
            Some(current)
        } else {
            archived
        };
        found.ok_or(CatalogError::VersionNotFound {
            database: key.1,
            table: key.2,
            version,
        })
    }

    /// At most `limit` versions, newest first, older than `before` where it is given.
    pub fn table_versions(
        &self,
        scope: &Scope,
        database: &str,
        name: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Table>, CatalogError> {
        let key = (scope.clone(), fold(database), fold(name));
        // In one look: an update between two would have put the current version among the archived ones.
        let (current, archived) = self
            .meta
            .read(|s| Ok::<_, MetaError>((s.get(&TABLES, &key)?, s.scan(&VERSIONS, &key, None, usize::MAX)?)))?;
        let current = match current {
            Some(current) => current,
            None => self.table(scope, database, name)?,
        };
        let newest_first = std::iter::once(current).chain(archived.into_iter().rev().map(|(_, table)| table));
        Ok(newest_first
            .filter(|table| before.is_none_or(|before| table.version < before))
            .take(limit)
            .collect())
    }

    pub async fn delete_table_version(
        &self,
        scope: &Scope,
        database: &str,
        name: &str,
        version: u64,
    ) -> Result<(), CatalogError> {
        let key = (scope.clone(), fold(database), fold(name));
        self.meta
            .write(move |tx| {
                let current = existing_table(tx, &key)?.version;
                let (scope, database, table) = key;
                if current == version {
                    return Err(CatalogError::VersionInUse {
                        database,
                        table,
                        version,
                    });
                }
                if !tx.delete(&VERSIONS, &(scope, database.clone(), table.clone(), version))? {
                    return Err(CatalogError::VersionNotFound {
                        database,
                        table,
                        version,
                    });
                }
                Ok(())
            })
            .await
    }
}

pub(crate) fn existing_table(tx: &Tx<'_>, key: &TableKey) -> Result<Table, CatalogError> {
    match tx.get(&TABLES, key)? {
        Some(table) => Ok(table),
        None => {
            existing_database(tx, &(key.0.clone(), key.1.clone()))?;
            Err(CatalogError::TableNotFound {
                database: key.1.clone(),
                table: key.2.clone(),
            })
        }
    }
}

fn fold_table(mut spec: TableSpec) -> Result<TableSpec, CatalogError> {
    spec.name = fold_name("table", &spec.name)?;
    let data = spec
        .storage_descriptor
        .iter_mut()
        .flat_map(|storage| &mut storage.columns);
    for column in data.chain(&mut spec.partition_keys) {
        column.name = fold_name("column", &column.name)?;
    }
    Ok(spec)
}
