//! DescribeStreamSummary: a stream without its shards.

use protocol_aws::{AwsError, Timestamp};
use serde::Serialize;

use crate::Call;
use crate::shapes::{self, EnhancedMetrics, StreamModeDetails, WarmThroughput, Which, stream_arn};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_description_summary: StreamDescriptionSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescriptionSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    retention_period_hours: u32,
    stream_creation_timestamp: Timestamp,
    enhanced_monitoring: Vec<EnhancedMetrics>,
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    open_shard_count: usize,
    consumer_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_throughput: Option<WarmThroughput>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: u32,
}

pub(crate) async fn handle(call: &Call, input: Which) -> Result<Output, AwsError> {
    let stream = input.stream(call)?;
    Ok(Output {
        stream_description_summary: StreamDescriptionSummary {
            stream_name: stream.id.name.clone(),
            stream_arn: stream_arn(&stream),
            stream_status: shapes::status(stream.status),
            stream_mode_details: StreamModeDetails::of(stream.mode),
            retention_period_hours: stream.retention_hours,
            stream_creation_timestamp: shapes::created(&stream),
            enhanced_monitoring: vec![EnhancedMetrics::of(&stream)],
            encryption_type: shapes::encryption_type(&stream),
            key_id: stream.encryption_key.clone(),
            open_shard_count: stream.open_shards(),
            consumer_count: stream.consumers.len(),
            warm_throughput: WarmThroughput::of(&stream),
            max_record_size_in_kib: stream.record_bytes_max / 1024,
        },
    })
}
