//! ListShards: a stream's shards, all or as they were at a time.

use base::Millis;
use engine_log::streams::{ShardInfo, Stream};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::shapes::{Shard, shard_number, stream_id};
use crate::{Call, errors, token};

const RESULTS_DEFAULT: usize = 1_000;
const TOKEN_LIFE_MS: Millis = 300_000;
const PURPOSE: &str = "list shards 1";
const HOUR_MS: Millis = 3_600_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<usize>,
    stream_creation_timestamp: Option<Timestamp>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    #[serde(rename = "Type")]
    kind: String,
    shard_id: Option<String>,
    timestamp: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shards: Vec<Shard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Which shards, with every time filled in, so that later pages follow the same rule.
#[derive(Serialize, Deserialize, Clone, Copy)]
enum Filter {
    All,
    /// Those that were open then.
    At(Millis),
    /// Those that were open then or came later.
    From(Millis),
    Open,
}

/// What a NextToken says.
#[derive(Serialize, Deserialize)]
struct Next {
    stream: String,
    uid: u64,
    after: Option<u32>,
    filter: Filter,
    given_ms: Millis,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let now_ms = call.clock.now_ms();
    let (stream, after, filter) = match &input.next_token {
        Some(token) => resume(call, &input, token, now_ms)?,
        None => begin(call, &input, now_ms)?,
    };
    let max = input.max_results.unwrap_or(RESULTS_DEFAULT);
    let horizon_ms = stream
        .created_ms
        .max(now_ms - Millis::from(stream.retention_hours) * HOUR_MS);
    let behind = stream
        .shards
        .iter()
        .filter(|shard| after.is_none_or(|after| shard.number > after));
    let mut rest = behind.filter(|shard| filter.takes(shard, horizon_ms)).peekable();
    let page = rest.by_ref().take(max).collect::<Vec<_>>();
    let next_token = match (rest.peek(), page.last()) {
        (Some(_), Some(last)) => {
            let next = Next {
                stream: stream.id.name.clone(),
                uid: stream.uid,
                after: Some(last.number),
                filter,
                given_ms: now_ms,
            };
            Some(token::seal(
                PURPOSE,
                serde_json::to_vec(&next).map_err(AwsError::internal)?,
            ))
        }
        _ => None,
    };
    Ok(Output {
        shards: page.into_iter().map(Shard::of).collect(),
        next_token,
    })
}

type Selected = (std::sync::Arc<Stream>, Option<u32>, Filter);

fn resume(call: &Call, input: &Input, token: &str, now_ms: Millis) -> Result<Selected, AwsError> {
    let others = [
        ("StreamName", input.stream_name.is_some()),
        ("StreamARN", input.stream_arn.is_some()),
        ("ExclusiveStartShardId", input.exclusive_start_shard_id.is_some()),
        ("StreamCreationTimestamp", input.stream_creation_timestamp.is_some()),
        ("ShardFilter", input.shard_filter.is_some()),
    ];
    if let Some((other, _)) = others.iter().find(|(_, given)| *given) {
        return Err(errors::invalid_argument(format!(
            "NextToken and {other} cannot be provided together."
        )));
    }
    let content = token::open(PURPOSE, token);
    let next: Option<Next> = content.and_then(|content| serde_json::from_slice(&content).ok());
    let next = next.ok_or_else(|| errors::invalid_argument("NextToken is invalid."))?;
    if now_ms - next.given_ms > TOKEN_LIFE_MS {
        return Err(errors::expired_token());
    }
    let stream = call
        .streams
        .get(&stream_id(call.scope(), &next.stream))
        .filter(|stream| stream.uid == next.uid);
    let stream = stream.ok_or_else(|| errors::stream_not_found(call.scope(), &next.stream))?;
    Ok((stream, next.after, next.filter))
}

fn begin(call: &Call, input: &Input, now_ms: Millis) -> Result<Selected, AwsError> {
    if input.stream_name.is_none() && input.stream_arn.is_none() {
        return Err(errors::invalid_argument(
            "Either NextToken or StreamName should be provided.",
        ));
    }
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    if let Some(created) = input.stream_creation_timestamp
        && created.0 / 1000 != stream.created_ms / 1000
    {
        return Err(errors::stream_not_found(call.scope(), &stream.id.name));
    }
    let number = |id: &Option<String>| match id {
        Some(id) => shard_number(id)
            .map(Some)
            .ok_or_else(|| errors::shard_not_found(call.scope(), &stream.id.name, id)),
        None => Ok(None),
    };
    let mut after = number(&input.exclusive_start_shard_id)?;
    let filter = match &input.shard_filter {
        None => Filter::All,
        Some(filter) => {
            let needs = |member: &str| {
                errors::invalid_argument(format!("ShardFilter of Type {} must specify {member}.", filter.kind))
            };
            let time_ms = || match filter.timestamp {
                Some(time) if time.0 > now_ms => Err(errors::invalid_argument(
                    "The Timestamp of the ShardFilter must not be in the future.",
                )),
                Some(time) => Ok(time.0),
                None => Err(needs("Timestamp")),
            };
            match filter.kind.as_str() {
                "AFTER_SHARD_ID" => {
                    after = after.max(Some(number(&filter.shard_id)?.ok_or_else(|| needs("ShardId"))?));
                    Filter::All
                }
                "AT_TRIM_HORIZON" => Filter::At(Millis::MIN),
                "FROM_TRIM_HORIZON" => Filter::From(Millis::MIN),
                "AT_TIMESTAMP" => Filter::At(time_ms()?),
                "FROM_TIMESTAMP" => Filter::From(time_ms()?),
                _ => Filter::Open,
            }
        }
    };
    Ok((stream, after, filter))
}

impl Filter {
    fn takes(self, shard: &ShardInfo, horizon_ms: Millis) -> bool {
        let closed_ms = shard.closed.map(|closed| closed.at_ms);
        match self {
            Self::All => closed_ms.is_none_or(|closed_ms| closed_ms >= horizon_ms),
            Self::Open => closed_ms.is_none(),
            Self::At(time_ms) => {
                let time_ms = time_ms.max(horizon_ms);
                shard.created_ms <= time_ms && closed_ms.is_none_or(|closed_ms| closed_ms > time_ms)
            }
            Self::From(time_ms) => closed_ms.is_none_or(|closed_ms| closed_ms > time_ms.max(horizon_ms)),
        }
    }
}
