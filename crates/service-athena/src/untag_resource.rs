//! UntagResource: removes tags from a work group.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::Call;
use crate::tags::tagged;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = tagged(call, &input.resource_arn)?;
    let remove = move |all: &mut BTreeMap<String, String>| all.retain(|key, _| !input.tag_keys.contains(key));
    call.update_tags(call.scope(), &resource, remove).await?;
    Ok(Empty {})
}
