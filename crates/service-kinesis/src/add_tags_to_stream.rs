//! AddTagsToStream: adds tags to a stream or changes their values.

use std::collections::BTreeMap;

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
    tags: BTreeMap<String, String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    tags::add(call, Resource::Stream(id), input.tags).await?;
    Ok(Empty {})
}
