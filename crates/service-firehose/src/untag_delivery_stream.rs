//! UntagDeliveryStream: removes tags from a delivery stream.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let removed = tags::change(call, &input.delivery_stream_name, move |kept| {
        kept.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    });
    removed.await?;
    Ok(Empty {})
}
