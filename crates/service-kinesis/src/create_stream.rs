//! CreateStream: makes a stream with shards of equal hash key ranges.

use std::collections::BTreeMap;

use engine_log::streams::{Mode, NewStream};
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::shapes::{StreamModeDetails, stream_id};
use crate::{Call, errors, limits, tags};

/// What an on-demand stream begins with.
const ON_DEMAND_SHARDS: u32 = 4;
/// The most that one call may ask for, whatever the account's quota.
const SHARDS_MAX: u32 = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: String,
    shard_count: Option<u32>,
    stream_mode_details: Option<StreamModeDetails>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<u32>,
    record_distribution_strategy: Option<String>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<u32>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, name) = (call.scope(), input.stream_name);
    let mode = input
        .stream_mode_details
        .map_or(Mode::Provisioned, |details| details.mode());
    let shards = match (mode, input.shard_count) {
        (Mode::Provisioned, Some(count)) => count,
        (Mode::Provisioned, None) => {
            return Err(errors::invalid_argument(
                "ShardCount must be provided for streams in PROVISIONED mode.",
            ));
        }
        (Mode::OnDemand, None) => ON_DEMAND_SHARDS,
        (Mode::OnDemand, Some(_)) => {
            return Err(errors::invalid_argument(
                "ShardCount must not be provided for streams in ON_DEMAND mode.",
            ));
        }
    };
    let open_shards = call.streams.open_shards(engine_log::streams::Kind::Data, scope);
    let over_quota = call.limits.is_some() && open_shards + shards as usize > limits::SHARDS_MAX;
    if shards > SHARDS_MAX || over_quota {
        let message = format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: {}. \
             Limit: {SHARDS_MAX}. Number of additional shards that would have resulted from this request: {shards}.",
            scope.account, scope.region, open_shards
        );
        return Err(errors::limit_exceeded(message));
    }
    if call.limits.is_some() && mode == Mode::OnDemand {
        let streams = call
            .streams
            .list(engine_log::streams::Kind::Data, scope, None, usize::MAX);
        if streams.iter().filter(|stream| stream.mode == Mode::OnDemand).count() >= limits::ON_DEMAND_STREAMS_MAX {
            return Err(errors::limit_exceeded(format!(
                "This request would exceed the on-demand stream limit for the account {} in {}. Limit: {}.",
                scope.account,
                scope.region,
                limits::ON_DEMAND_STREAMS_MAX
            )));
        }
    }
    if input.record_distribution_strategy.as_deref() == Some("AUTO") {
        return Err(AwsError::not_implemented(
            "kinesis",
            "CreateStream with RecordDistributionStrategy AUTO",
        ));
    }
    tags::check(scope, &name, &input.tags, input.tags.len())?;
    let mut new = NewStream::new(stream_id(scope, &name), shards);
    new.mode = mode;
    new.tags = input.tags;
    new.warm_throughput_mibps = input.warm_throughput_mibps;
    if let Some(kib) = input.max_record_size_in_kib {
        new.record_bytes_max = kib * 1024;
    }
    call.streams
        .create(new)
        .await
        .map_err(|error| errors::from_streams(scope, &name, error))?;
    Ok(Empty {})
}
