//! UpdateDatabase: replaces what is said about a database.

use engine_catalog::DatabaseSpec;
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
    database_input: DatabaseSpec,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    call.catalog
        .update_database(scope, &input.name, input.database_input)
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
