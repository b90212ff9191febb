//! CreateDatabase: makes a database.

use engine_catalog::{DatabaseSpec, Parameters, Tagged};
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
    let name = input.database_input.name.clone();
    call.catalog
        .create_database(scope, input.database_input)
        .await
        .map_err(from_catalog)?;
    if let Some(tags) = input.tags.filter(|tags| !tags.is_empty()) {
        let tagged = Tagged::Database(name);
        call.catalog
            .update_tags(scope, &tagged, |all| all.extend(tags))
            .await
            .map_err(from_catalog)?;
    }
    Ok(Empty {})
}
