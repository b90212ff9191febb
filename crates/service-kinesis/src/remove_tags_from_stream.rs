//! RemoveTagsFromStream: removes tags; those that are not there are passed over.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::resource::Resource;
use crate::shapes::named;
use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    tag_keys: Vec<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    tags::remove(call, Resource::Stream(id), input.tag_keys).await?;
    Ok(Empty {})
}
