//! MergeShards: closes two neighbouring shards and has a new one take over their hash keys.

use engine_log::streams::Step;
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::{ChangeError, invalid_argument};
use crate::shapes::{active, named, open_shard, provisioned, shard_id};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_to_merge: String,
    adjacent_shard_to_merge: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let changed = call.streams.reshard(&id, move |stream| {
        provisioned(stream)?;
        let shard = open_shard(stream, &input.shard_to_merge)?;
        let adjacent = open_shard(stream, &input.adjacent_shard_to_merge)?;
        let follows = |last: u128, first: u128| last.checked_add(1) == Some(first);
        let are_neighbours = follows(shard.last_hash.0, adjacent.first_hash.0)
            || follows(adjacent.last_hash.0, shard.first_hash.0);
        if !are_neighbours {
            return Err(ChangeError::Refused(invalid_argument(format!(
                "Shards {} and {} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
                shard_id(shard.number),
                shard_id(adjacent.number),
                stream.id.name,
                stream.id.scope.account
            ))));
        }
        active(stream)?;
        Ok(vec![Step::Merge {
            shard: shard.number,
            adjacent: adjacent.number,
        }])
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
