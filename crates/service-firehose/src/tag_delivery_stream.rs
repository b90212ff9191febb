//! TagDeliveryStream: adds tags to a delivery stream.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::tags::Tag;
use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    tags: Vec<Tag>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let name = &input.delivery_stream_name;
    tags::change(call, name, |kept| tags::add(call.scope(), name, kept, input.tags)).await?;
    Ok(Empty {})
}
