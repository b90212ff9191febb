//! ListTagsForResource: the tags of a work group, in order.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::tags::{Tag, tagged};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let resource = tagged(call, &input.resource_arn)?;
    let tags = call.tags(call.scope(), &resource)?;
    Ok(Output {
        tags: tags.into_iter().map(|(key, value)| Tag { key, value }).collect(),
    })
}
