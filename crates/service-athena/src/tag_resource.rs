//! TagResource: adds tags to a work group.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::Call;
use crate::tags::{Tag, tagged};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Vec<Tag>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = tagged(call, &input.resource_arn)?;
    let add =
        move |all: &mut BTreeMap<String, String>| all.extend(input.tags.into_iter().map(|tag| (tag.key, tag.value)));
    call.update_tags(call.scope(), &resource, add).await?;
    Ok(Empty {})
}
