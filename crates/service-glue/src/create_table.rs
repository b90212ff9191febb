//! CreateTable: makes a table, with its first version.

use engine_catalog::TableSpec;
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    name: Option<String>,
    table_input: Option<TableSpec>,
    open_table_format_input: Option<serde_json::Value>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    if input.open_table_format_input.is_some() {
        return Err(errors::invalid(
            "OpenTableFormatInput is not supported: create the table's own metadata first.",
        ));
    }
    let Some(mut table) = input.table_input else {
        return Err(errors::invalid("TableInput is required."));
    };
    if let Some(name) = input.name {
        table.name = name;
    }
    call.catalog
        .create_table(scope, &input.database_name, table)
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
