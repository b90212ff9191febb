//! DeleteDatabase: removes a database with its tables.

use engine_catalog::DeleteTables;
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    name: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    call.catalog
        .delete_database(scope, &input.name, DeleteTables::Too)
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
