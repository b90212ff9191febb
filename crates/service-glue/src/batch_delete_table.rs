//! BatchDeleteTable: removes several tables, each on its own.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::ErrorDetail;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    tables_to_delete: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TableError {
    table_name: String,
    error_detail: ErrorDetail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    errors: Vec<TableError>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    call.catalog
        .database(scope, &input.database_name)
        .map_err(from_catalog)?;
    let mut errors = Vec::new();
    for table_name in input.tables_to_delete {
        if let Err(error) = call
            .catalog
            .delete_table(scope, &input.database_name, &table_name)
            .await
        {
            errors.push(TableError {
                table_name,
                error_detail: error.into(),
            });
        }
    }
    Ok(Output { errors })
}
