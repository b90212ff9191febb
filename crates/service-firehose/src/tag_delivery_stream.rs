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
    let (scope, name) = (call.scope().clone(), input.delivery_stream_name.clone());
    let added = tags::change(call, &input.delivery_stream_name, move |kept| {
        tags::add(&scope, &name, kept, input.tags)
    });
    added.await?;
    Ok(Empty {})
}
