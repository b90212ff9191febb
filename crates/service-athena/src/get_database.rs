//! GetDatabase: one database of the catalog.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::metadata::{DatabaseShape, check_catalog};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_name: String,
    database_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    database: DatabaseShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    check_catalog(&input.catalog_name)?;
    let database = call
        .engine
        .catalog()
        .database(call.scope(), &input.database_name)
        .map_err(errors::metadata)?;
    Ok(Output {
        database: database.into(),
    })
}
