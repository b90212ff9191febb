//! DeleteStream: deletes a stream with its records.

use protocol_aws::{AwsError, Empty};

use crate::shapes::{Which, named};
use crate::{Call, errors};

pub(crate) async fn handle(call: &Call, input: Which) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    call.streams
        .delete(&id)
        .await
        .map_err(|error| errors::from_streams(call.scope(), &id.name, error))?;
    Ok(Empty {})
}
