//! GetTableVersion: one version of a table, the newest by default.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::shapes::TableVersionShape;
use crate::version_id;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    version_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table_version: TableVersionShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let table = match input.version_id.as_deref().map(version_id::parse).transpose()? {
        Some(version) => call
            .catalog
            .table_version(scope, &input.database_name, &input.table_name, version),
        None => call.catalog.table(scope, &input.database_name, &input.table_name),
    };
    let table = table.map_err(from_catalog)?;
    Ok(Output {
        table_version: TableVersionShape::new(scope.account.as_str(), table),
    })
}
