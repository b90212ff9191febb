//! The catalog as DataFusion asks for it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base::Scope;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use engine_catalog::{Catalog, CatalogError};

use crate::dialect::Places;
use crate::objects::LakeObjects;
use crate::scan::{LakeTable, table_type};
use crate::{ErrorKind, SqlError};

pub(crate) const CATALOG: &str = "awsdatacatalog";

/// One account's databases in one region.
#[derive(Clone)]
pub(crate) struct LakeCatalog {
    pub(crate) scope: Scope,
    pub(crate) catalog: Catalog,
    pub(crate) objects: LakeObjects,
}

impl fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LakeCatalog({:?})", self.scope)
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        let all = self
            .catalog
            .databases(&self.scope, None, usize::MAX)
            .unwrap_or_default();
        all.into_iter().map(|database| database.spec.name).collect()
    }

    /// Every name yields a schema; which do not exist shows when a table is asked for.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(LakeSchema {
            lake: self.clone(),
            database: name.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct LakeSchema {
    lake: LakeCatalog,
    database: String,
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let all = self
            .lake
            .catalog
            .tables(&self.lake.scope, &self.database, None, usize::MAX, |_| true);
        all.unwrap_or_default()
            .into_iter()
            .map(|table| table.spec.name)
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let LakeCatalog {
            scope,
            catalog,
            objects,
        } = self.lake.clone();
        let database = &self.database;
        let external = |error: SqlError| DataFusionError::External(Box::new(error));
        let table = match catalog.table(&scope, database, name) {
            Ok(table) => table,
            // The planner looks for table functions next, and says what is missing; see `missing`.
            Err(CatalogError::DatabaseNotFound { .. } | CatalogError::TableNotFound { .. }) => return Ok(None),
            Err(error) => return Err(external(error.into())),
        };
        Ok(Some(Arc::new(LakeTable::new(scope, catalog, objects, table))))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let found = self.lake.catalog.table(&self.lake.scope, &self.database, name);
        Ok(found.ok().as_ref().map(table_type))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.lake.catalog.table(&self.lake.scope, &self.database, name).is_ok()
    }
}

impl LakeCatalog {
    /// What to say about a table that the planner did not find.
    pub(crate) fn missing(&self, database: &str, table: &str, places: &Places) -> SqlError {
        let place = places.table(table);
        if self.catalog.database(&self.scope, database).is_err() {
            let message = format!("SCHEMA_NOT_FOUND: {place}Schema '{database}' does not exist");
            return SqlError::new(ErrorKind::DatabaseNotFound, message);
        }
        let message = format!("TABLE_NOT_FOUND: {place}Table '{CATALOG}.{database}.{table}' does not exist");
        SqlError::new(ErrorKind::TableNotFound, message)
    }
}
