//! GetTags: the tags of a database or table.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors::from_catalog;
use crate::tagged::tagged;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: engine_catalog::Parameters,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let (scope, tagged) = tagged(call, &input.resource_arn)?;
    Ok(Output {
        tags: call.catalog.tags(scope, &tagged).map_err(from_catalog)?,
    })
}
