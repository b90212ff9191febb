//! DecreaseStreamRetentionPeriod: keeps a stream's records for a shorter time.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::errors::{ChangeError, invalid_argument};
use crate::shapes::named;
use crate::{Call, retention};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    retention_period_hours: i64,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    call.stream(call.scope(), Some(&id.name), None)?;
    let hours = retention::checked(input.retention_period_hours)?;
    let changed = call.streams.set_retention(&id, hours, move |info| {
        let (existing, name) = (info.retention_hours, &info.id.name);
        if hours > existing {
            return Err(ChangeError::Refused(invalid_argument(format!(
                "Requested retention period ({hours} hours) for stream {name} can not be longer than existing retention period \
                 ({existing} hours). Use IncreaseRetentionPeriod API."
            ))));
        }
        Ok(())
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
