//! UpdateStreamMode: makes a stream on-demand or provisioned; its shards stay.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::{ChangeError, limit_exceeded};
use crate::limits::{MODE_CHANGES_MAX, within_a_day};
use crate::shapes::{StreamModeDetails, active, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_mode_details: StreamModeDetails,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<u32>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), None, Some(&input.stream_arn))?;
    let mode = input.stream_mode_details.mode();
    let (now_ms, is_limited) = (call.clock.now_ms(), call.limits.is_some());
    let changed = call.streams.alter_info(&id, move |info| {
        active(info)?;
        info.mode_changes_ms = within_a_day(&info.mode_changes_ms, now_ms);
        if mode != info.mode {
            if is_limited && info.mode_changes_ms.len() >= MODE_CHANGES_MAX {
                return Err(ChangeError::Refused(limit_exceeded(format!(
                    "The mode of stream {} under account {} was changed {MODE_CHANGES_MAX} times within the last 24 hours.",
                    info.id.name, info.id.scope.account
                ))));
            }
            info.mode_changes_ms.push(now_ms);
        }
        info.mode = mode;
        if let Some(warm) = input.warm_throughput_mibps {
            info.warm_throughput_mibps = Some(warm);
        }
        Ok(())
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
