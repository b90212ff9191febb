//! DescribeLimits: the account's quotas and how much of them is used.

use engine_log::streams::{Kind, Mode};
use protocol_aws::{AwsError, Empty};
use serde::Serialize;

use crate::Call;
use crate::limits::{ON_DEMAND_STREAMS_MAX, SHARDS_MAX};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_limit: usize,
    open_shard_count: usize,
    on_demand_stream_count: usize,
    on_demand_stream_count_limit: usize,
}

pub(crate) async fn handle(call: &Call, _: Empty) -> Result<Output, AwsError> {
    let streams = call.streams.list(Kind::Data, call.scope(), None, usize::MAX);
    Ok(Output {
        shard_limit: SHARDS_MAX,
        open_shard_count: streams.iter().map(|stream| stream.open_shards()).sum(),
        on_demand_stream_count: streams.iter().filter(|stream| stream.mode == Mode::OnDemand).count(),
        on_demand_stream_count_limit: ON_DEMAND_STREAMS_MAX,
    })
}
