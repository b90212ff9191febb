//! DeleteStream: deletes a stream with its records.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::{ChangeError, in_use};
use crate::shapes::named;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    enforce_consumer_deletion: Option<bool>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let deleted = call.streams.delete_if(&id, move |stream| {
        if stream.consumers.is_empty() || input.enforce_consumer_deletion == Some(true) {
            return Ok(());
        }
        Err(ChangeError::Refused(in_use(format!(
            "Stream {} under account {} has consumers registered with it: deregister them, or set \
             EnforceConsumerDeletion.",
            stream.id.name, stream.id.scope.account
        ))))
    });
    deleted.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
