//! UpdateStreamMode: makes a stream on-demand or provisioned; its shards stay.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::ChangeError;
use crate::shapes::{StreamModeDetails, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_mode_details: StreamModeDetails,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), None, Some(&input.stream_arn))?;
    let mode = input.stream_mode_details.mode();
    let changed = call.streams.update(&id, move |info| {
        info.mode = mode;
        Ok::<_, ChangeError>(())
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
