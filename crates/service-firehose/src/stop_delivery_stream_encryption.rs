//! StopDeliveryStreamEncryption: leaves the records that come from now on as they are; those before stay encrypted.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::{Call, errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, name) = (call.scope(), &input.delivery_stream_name);
    let set = call.deliveries.set_encryption_key(scope, name, None).await;
    set.map_err(|error| errors::from_delivery(scope, name, error))?;
    Ok(Empty {})
}
