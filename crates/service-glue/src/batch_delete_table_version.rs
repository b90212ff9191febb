//! BatchDeleteTableVersion: removes several versions of a table, each on its own.

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
    table_name: String,
    version_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TableVersionError {
    table_name: String,
    version_id: String,
    error_detail: ErrorDetail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    errors: Vec<TableVersionError>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    call.catalog
        .table(scope, &input.database_name, &input.table_name)
        .map_err(from_catalog)?;
    let mut errors = Vec::new();
    for version_id in input.version_ids {
        let deleted = match crate::version_id::parse(&version_id) {
            Ok(version) => {
                let (database, table) = (&input.database_name, &input.table_name);
                let deleted = call.catalog.delete_table_version(scope, database, table, version).await;
                deleted.map_err(ErrorDetail::from)
            }
            Err(error) => Err(ErrorDetail::from(error)),
        };
        if let Err(error_detail) = deleted {
            errors.push(TableVersionError {
                table_name: input.table_name.clone(),
                version_id,
                error_detail,
            });
        }
    }
    Ok(Output { errors })
}
