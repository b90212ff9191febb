//! DescribeStream: a stream and, page by page, its shards.

use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::shapes::{self, EnhancedMetrics, Shard, StreamModeDetails, shard_number, stream_arn};

const LIMIT_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_description: StreamDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    shards: Vec<Shard>,
    has_more_shards: bool,
    retention_period_hours: u32,
    stream_creation_timestamp: Timestamp,
    enhanced_monitoring: Vec<EnhancedMetrics>,
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let after = match &input.exclusive_start_shard_id {
        Some(id) => {
            Some(shard_number(id).ok_or_else(|| crate::errors::shard_not_found(call.scope(), &stream.id.name, id))?)
        }
        None => None,
    };
    // A closed shard goes when the last of its records has.
    let horizon_ms = call.clock.now_ms() - i64::from(stream.retention_hours) * 3_600_000;
    let mut rest = stream.shards.iter().filter(|shard| {
        after.is_none_or(|after| shard.number > after) && shard.closed.is_none_or(|closed| closed.at_ms >= horizon_ms)
    });
    let shards = rest
        .by_ref()
        .take(input.limit.unwrap_or(LIMIT_DEFAULT))
        .map(Shard::of)
        .collect();
    Ok(Output {
        stream_description: StreamDescription {
            stream_name: stream.id.name.clone(),
            stream_arn: stream_arn(&stream),
            stream_status: shapes::status(stream.status),
            stream_mode_details: StreamModeDetails::of(stream.mode),
            shards,
            has_more_shards: rest.next().is_some(),
            retention_period_hours: stream.retention_hours,
            stream_creation_timestamp: shapes::created(&stream),
            enhanced_monitoring: vec![EnhancedMetrics::of(&stream)],
            encryption_type: shapes::encryption_type(&stream),
            key_id: stream.encryption_key.clone(),
        },
    })
}
