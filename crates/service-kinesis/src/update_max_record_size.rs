//! UpdateMaxRecordSize: sets how large a stream's records may be.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::ChangeError;
use crate::shapes::{active, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: u32,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), None, input.stream_arn.as_deref())?;
    let changed = call.streams.alter_info(&id, move |info| {
        active(info)?;
        info.record_bytes_max = input.max_record_size_in_kib * 1024;
        Ok::<_, ChangeError>(())
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
