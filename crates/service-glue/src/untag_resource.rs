//! UntagResource: removes tags from a database or table.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::from_catalog;
use crate::tagged::tagged;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
    tags_to_remove: Vec<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, tagged) = tagged(call, &input.resource_arn)?;
    let remove =
        move |tags: &mut engine_catalog::Parameters| tags.retain(|name, _| !input.tags_to_remove.contains(name));
    call.catalog
        .update_tags(scope, &tagged, remove)
        .await
        .map_err(from_catalog)?;
    Ok(Empty {})
}
