//! UpdateShardCount: splits and merges shards until so many share the hash keys evenly.

use engine_log::streams::even_steps;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors::{ChangeError, limit_exceeded};
use crate::limits::{COUNT_CHANGES_MAX, within_a_day};
use crate::shapes::{active, named, provisioned, stream_arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    target_shard_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    current_shard_count: usize,
    target_shard_count: u32,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let (target, now_ms, is_limited) = (input.target_shard_count, call.clock.now_ms(), call.limits.is_some());
    let before = call.stream(call.scope(), Some(&id.name), None)?;
    let changed = call.streams.rescale(&id, move |stream| {
        provisioned(stream)?;
        active(stream)?;
        let current = stream.open_shards() as u64;
        let counts = format!("Current open shard count: {current} Target shard count: {target}");
        let refuse = |why: &str| {
            Err(ChangeError::Refused(limit_exceeded(format!(
                "UpdateShardCount cannot {why}"
            ))))
        };
        if u64::from(target) > current * 2 {
            return refuse(&format!("scale up over double your current open shard count. {counts}"));
        }
        if u64::from(target) * 2 < current {
            return refuse(&format!(
                "scale down below half your current open shard count. {counts}"
            ));
        }
        if is_limited && within_a_day(&stream.count_changes_ms, now_ms).len() >= COUNT_CHANGES_MAX {
            return refuse(&format!(
                "be called more than {COUNT_CHANGES_MAX} times in a rolling 24-hour period for a stream."
            ));
        }
        Ok(even_steps(&stream.shards, target))
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Output {
        stream_arn: stream_arn(&before),
        current_shard_count: before.open_shards(),
        target_shard_count: target,
        stream_name: id.name,
    })
}
