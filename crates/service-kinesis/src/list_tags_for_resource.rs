//! ListTagsForResource: all tags of what an ARN names.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::resource::Resource;
use crate::tags::{self, Tag};

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
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    let tags = resource.read(
        call,
        |stream| tags::list(&stream.tags),
        |consumer| tags::list(&consumer.tags),
    )?;
    Ok(Output { tags })
}
