//! The catalog's handle, and databases.

use base::{Clock, Scope};
use store_meta::{Keyspace, Meta, Read, Tx};

use crate::partitions::PARTITIONS;
use crate::tables::{TABLES, VERSIONS};
use crate::tags::TAGS;
use crate::{CatalogError, Database, DatabaseSpec};

pub(crate) const DATABASES: Keyspace<(Scope, String), Database> = Keyspace::new("catalog/databases");

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

    pub async fn create_database(&self, scope: &Scope, mut spec: DatabaseSpec) -> Result<(), CatalogError> {
        spec.name = fold_name("database", &spec.name)?;
        let key = (scope.clone(), spec.name.clone());
        let created_at_ms = self.clock.now_ms();
        self.meta
            .write(move |tx| {
                if tx.get(&DATABASES, &key)?.is_some() {
                    return Err(CatalogError::DatabaseExists { database: key.1 });
                }
                Ok(tx.put(&DATABASES, &key, &Database { spec, created_at_ms })?)
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

    /// Removes a database with its tables, their versions and their partitions. Files stay where they are.
    pub async fn delete_database(&self, scope: &Scope, name: &str) -> Result<(), CatalogError> {
        let key = (scope.clone(), fold(name));
        self.meta
            .write(move |tx| {
                if !tx.delete(&DATABASES, &key)? {
                    return Err(CatalogError::DatabaseNotFound { database: key.1 });
                }
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
