//! UntagResource: removes tags from what an ARN names.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::resource::Resource;
use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    tags::remove(call, resource, input.tag_keys).await?;
    Ok(Empty {})
}
