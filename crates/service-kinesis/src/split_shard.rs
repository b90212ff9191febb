//! SplitShard: closes a shard and has two new ones take over its hash keys.

use engine_log::streams::{HashKey, Step};
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
    shard_to_split: String,
    new_starting_hash_key: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let changed = call.streams.reshard(&id, move |stream| {
        provisioned(stream)?;
        let shard = open_shard(stream, &input.shard_to_split)?;
        let (first, last) = (shard.first_hash, shard.last_hash);
        let at = input.new_starting_hash_key.parse::<HashKey>().ok();
        let inside = at.filter(|at| at.0 > first.0.saturating_add(1) && *at < last);
        let Some(at) = inside else {
            return Err(ChangeError::Refused(invalid_argument(format!(
                "NewStartingHashKey {} used in SplitShard() on shard {} in stream {} under account {} is not both greater \
                 than one plus the shard's StartingHashKey {first} and less than the shard's EndingHashKey {last}.",
                input.new_starting_hash_key,
                shard_id(shard.number),
                stream.id.name,
                stream.id.scope.account
            ))));
        };
        active(stream)?;
        let shard = shard.number;
        Ok(vec![Step::Split { shard, at }])
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Empty {})
}
