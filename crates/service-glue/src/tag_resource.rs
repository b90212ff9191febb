//! TagResource: adds tags to a database or table.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::from_catalog;
use crate::tagged::tagged;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
    tags_to_add: engine_catalog::Parameters,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, tagged) = tagged(call, &input.resource_arn)?;
    call.catalog
        .update_tags(scope, &tagged, |tags| tags.extend(input.tags_to_add))
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
