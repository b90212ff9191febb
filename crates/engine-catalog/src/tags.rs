//! Tags of databases and tables. They go with what they are on.

use base::Scope;
use store_meta::{Keyspace, Read};

use crate::catalog::{existing_database, fold};
use crate::tables::existing_table;
use crate::{Catalog, CatalogError, Parameters};

/// By database and table; a database's own tags stand under the empty table name.
pub(crate) const TAGS: Keyspace<(Scope, String, String), Parameters> = Keyspace::new("catalog/tags");

/// What tags can be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    Database(String),
    Table { database: String, table: String },
}

impl Tagged {
    pub(crate) fn key(&self, scope: &Scope) -> (Scope, String, String) {
        match self {
            Self::Database(database) => (scope.clone(), fold(database), String::new()),
            Self::Table { database, table } => (scope.clone(), fold(database), fold(table)),
        }
    }
}

impl Catalog {
    pub fn tags(&self, scope: &Scope, tagged: &Tagged) -> Result<Parameters, CatalogError> {
        match tagged {
            Tagged::Database(database) => self.database(scope, database).map(drop)?,
            Tagged::Table { database, table } => self.table(scope, database, table).map(drop)?,
        }
        Ok(self
            .meta
            .read(|s| s.get(&TAGS, &tagged.key(scope)))?
            .unwrap_or_default())
    }

    /// Changes the tags in one step and returns what they became.
    pub async fn update_tags(
        &self,
        scope: &Scope,
        tagged: &Tagged,
        change: impl FnOnce(&mut Parameters) + Send + 'static,
    ) -> Result<Parameters, CatalogError> {
        let key = tagged.key(scope);
        self.meta
            .write(move |tx| {
                match key.2.as_str() {
                    "" => existing_database(tx, &(key.0.clone(), key.1.clone())).map(drop)?,
                    _ => existing_table(tx, &key).map(drop)?,
                }
                let mut tags = tx.get(&TAGS, &key)?.unwrap_or_default();
                change(&mut tags);
                tx.put(&TAGS, &key, &tags)?;
                Ok(tags)
            })
            .await
    }
}
