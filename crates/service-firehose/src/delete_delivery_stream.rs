//! DeleteDeliveryStream: ends a delivery stream; records that are not delivered yet are gone.

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
    let deleted = call.deliveries.delete(scope, name).await;
    deleted.map_err(|error| errors::from_delivery(scope, name, error))?;
    Ok(Empty {})
}
