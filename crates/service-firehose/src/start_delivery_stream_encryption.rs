//! StartDeliveryStreamEncryption: encrypts the records that come from now on, or changes the key.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::encryption::EncryptionInput;
use crate::{Call, errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    delivery_stream_encryption_configuration_input: Option<EncryptionInput>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, name) = (call.scope(), &input.delivery_stream_name);
    let key = input
        .delivery_stream_encryption_configuration_input
        .unwrap_or_default()
        .key()?;
    let set = call.deliveries.set_encryption_key(scope, name, Some(key)).await;
    set.map_err(|error| errors::from_delivery(scope, name, error))?;
    Ok(Empty {})
}
