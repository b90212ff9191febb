//! CreateDatabase: makes a database.

use engine_catalog::{DatabaseSpec, Parameters};
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_input: DatabaseSpec,
    tags: Option<Parameters>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    call.catalog
        .create_tagged_database(scope, input.database_input, input.tags.unwrap_or_default())
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
