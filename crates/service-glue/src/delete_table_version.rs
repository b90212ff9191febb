//! DeleteTableVersion: removes one version of a table, not the newest.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::version_id;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    version_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let version = version_id::parse(&input.version_id)?;
    let deleted = call
        .catalog
        .delete_table_version(scope, &input.database_name, &input.table_name, version);
    deleted.await.map_err(from_catalog)?;
    Ok(Empty {})
}
