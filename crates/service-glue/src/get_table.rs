//! GetTable: one table at its newest version.

use engine_catalog::CatalogError;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::shapes::TableShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table: TableShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let table = call
        .catalog
        .table(scope, &input.database_name, &input.name)
        .map_err(|error| match error {
            // The service's words for this one operation.
            CatalogError::TableNotFound { .. } => AwsError::new("EntityNotFoundException", "Entity Not Found"),
            other => from_catalog(other),
        })?;
    Ok(Output {
        table: TableShape::new(scope.account.as_str(), table),
    })
}
