//! UpdateTable: replaces what is said about a table and raises its version.

use engine_catalog::{TableSpec, TableUpdate};
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::{errors, version_id};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    name: Option<String>,
    table_input: Option<TableSpec>,
    skip_archive: Option<bool>,
    version_id: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let Some(table) = input.table_input else {
        return Err(errors::invalid("TableInput is required."));
    };
    if input.name.is_some_and(|name| !name.eq_ignore_ascii_case(&table.name)) {
        return Err(errors::invalid("A table cannot be renamed."));
    }
    let expected_version = input.version_id.as_deref().map(version_id::parse).transpose()?;
    let update = TableUpdate {
        expected_version,
        skip_archive: input.skip_archive.unwrap_or(false),
    };
    call.catalog
        .update_table(scope, &input.database_name, table, update)
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
