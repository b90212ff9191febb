//! The catalog's handle, and databases.

use base::{Clock, Scope};
use store_meta::{Keyspace, Meta, Read, Tx};

use crate::partitions::PARTITIONS;
use crate::tables::{TABLES, VERSIONS};
use crate::tags::{TAGS, Tagged};
use crate::{CatalogError, Database, DatabaseSpec, Parameters};

pub(crate) const DATABASES: Keyspace<(Scope, String), Database> = Keyspace::new("catalog/databases");

/// What to do about the tables of a database that is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteTables {
    /// They go with it.
    Too,
    /// As long as there are any, the database stays.
    Refuse,
}

/// Reads answer from the last committed state at once; writes return when durable. Clones share the store.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) meta: Meta,
    pub(crate) clock: Clock,
}

impl Catalog {
    pub fn new(meta: Meta, clock: Clock) -> Self {
        Self { meta, clock }
    }

    pub async fn create_database(&self, scope: &Scope, spec: DatabaseSpec) -> Result<(), CatalogError> {
        self.create_tagged_database(scope, spec, Parameters::new()).await
    }

    /// A database that has its tags from the beginning.
    pub async fn create_tagged_database(
        &self,
        scope: &Scope,
        mut spec: DatabaseSpec,
        tags: Parameters,
    ) -> Result<(), CatalogError> {
        spec.name = fold_name("database", &spec.name)?;
        let key = (scope.clone(), spec.name.clone());
        let created_at_ms = self.clock.now_ms();
        self.meta
            .write(move |tx| {
                if tx.get(&DATABASES, &key)?.is_some() {
                    return Err(CatalogError::DatabaseExists { database: key.1 });
                }
                tx.put(&DATABASES, &key, &Database { spec, created_at_ms })?;
                if !tags.is_empty() {
                    tx.put(&TAGS, &Tagged::Database(key.1).key(&key.0), &tags)?;
                }
                Ok(())
            })
            .await
    }

    pub fn database(&self, scope: &Scope, name: &str) -> Result<Database, CatalogError> {
        let key = (scope.clone(), fold(name));
        let found = self.meta.read(|s| s.get(&DATABASES, &key))?;
        found.ok_or(CatalogError::DatabaseNotFound { database: key.1 })
    }

    /// At most `limit` databases in order of their names, behind `after` where it is given.
    pub fn databases(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Result<Vec<Database>, CatalogError> {
        let after = after.map(|name| (scope.clone(), fold(name)));
        let found = self
            .meta
            .read(|s| s.scan(&DATABASES, &(scope.clone(),), after.as_ref(), limit))?;
        Ok(found.into_iter().map(|(_, database)| database).collect())
    }

    /// Replaces what callers say about a database. The name stays: tables are kept under it.
    pub async fn update_database(&self, scope: &Scope, name: &str, mut spec: DatabaseSpec) -> Result<(), CatalogError> {
        spec.name = fold_name("database", &spec.name)?;
        let key = (scope.clone(), fold(name));
        self.meta
            .write(move |tx| {
                let before = existing_database(tx, &key)?;
                if spec.name != key.1 {
                    return Err(CatalogError::Invalid("A database cannot be renamed.".to_owned()));
                }
                Ok(tx.put(&DATABASES, &key, &Database { spec, ..before })?)
            })
            .await
    }

    /// Removes a database, with its tables, their versions and their partitions where it may have any. Files stay
    /// where they are.
    pub async fn delete_database(&self, scope: &Scope, name: &str, tables: DeleteTables) -> Result<(), CatalogError> {
        let key = (scope.clone(), fold(name));
        self.meta
            .write(move |tx| {
                existing_database(tx, &key)?;
                if tables == DeleteTables::Refuse && !tx.scan(&TABLES, &key, None, 1)?.is_empty() {
                    return Err(CatalogError::DatabaseNotEmpty { database: key.1 });
                }
                tx.delete(&DATABASES, &key)?;
                tx.delete_prefix(&TABLES, &key)?;
                tx.delete_prefix(&VERSIONS, &key)?;
                tx.delete_prefix(&PARTITIONS, &key)?;
                tx.delete_prefix(&TAGS, &key)?;
                Ok(())
            })
            .await
    }
}

pub(crate) fn existing_database(tx: &Tx<'_>, key: &(Scope, String)) -> Result<Database, CatalogError> {
    let found = tx.get(&DATABASES, key)?;
    found.ok_or_else(|| CatalogError::DatabaseNotFound {
        database: key.1.clone(),
    })
}

/// Names differ only by more than case.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}

pub(crate) fn fold_name(what: &str, name: &str) -> Result<String, CatalogError> {
    match name {
        "" => Err(CatalogError::Invalid(format!("The {what} name must not be empty."))),
        _ => Ok(fold(name)),
    }
}
