//! GetTableMetadata: one table of the catalog.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::metadata::{TableMetadata, check_catalog};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_name: String,
    database_name: String,
    table_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table_metadata: TableMetadata,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    check_catalog(&input.catalog_name)?;
    let table = call
        .engine
        .catalog()
        .table(call.scope(), &input.database_name, &input.table_name);
    Ok(Output {
        table_metadata: table.map_err(errors::metadata)?.into(),
    })
}
