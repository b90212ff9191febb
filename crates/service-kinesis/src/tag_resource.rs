//! TagResource: adds tags to what an ARN names.

use std::collections::BTreeMap;

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::resource::Resource;
use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: BTreeMap<String, String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    tags::add(call, resource, input.tags).await?;
    Ok(Empty {})
}
