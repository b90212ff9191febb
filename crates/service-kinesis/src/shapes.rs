//! What several operations take or return.

use std::sync::Arc;

use base::{Arn, Scope};
use engine_log::streams::{Kind, Mode, ShardInfo, Stream, StreamId, StreamInfo, StreamStatus};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::errors::{invalid_argument, stream_not_found};
use crate::sequence::Sequence;
use crate::{Call, Kinesis};

pub(crate) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard id. Like the service, takes the id without leading zeros too.
pub(crate) fn shard_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("shardId-")?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

pub(crate) fn stream_arn(info: &StreamInfo) -> String {
    info.id
        .scope
        .arn("kinesis", format_args!("stream/{}", info.id.name))
        .to_string()
}

pub(crate) fn stream_id(scope: &Scope, name: &str) -> StreamId {
    StreamId::new(Kind::Data, scope, name)
}

impl Kinesis {
    /// The stream of a request that gives its name, its ARN or both.
    pub(crate) fn stream(&self, scope: &Scope, name: Option<&str>, arn: Option<&str>) -> Result<Arc<Stream>, AwsError> {
        let id = named(scope, name, arn)?;
        self.streams.get(&id).ok_or_else(|| stream_not_found(scope, &id.name))
    }
}

/// What the request names; the stream need not be there.
pub(crate) fn named(scope: &Scope, name: Option<&str>, arn: Option<&str>) -> Result<StreamId, AwsError> {
    let from_arn = arn.map(|arn| name_in_arn(scope, arn)).transpose()?;
    match (name, from_arn) {
        (Some(name), Some(other)) if name != other => Err(invalid_argument(format!(
            "StreamName {name} and StreamARN {} do not name the same stream.",
            arn.unwrap_or_default()
        ))),
        (Some(name), _) => Ok(stream_id(scope, name)),
        (None, Some(name)) => Ok(stream_id(scope, &name)),
        (None, None) => Err(invalid_argument("Either StreamName or StreamARN must be provided.")),
    }
}

fn name_in_arn(scope: &Scope, text: &str) -> Result<String, AwsError> {
    let arn: Option<Arn> = text.parse().ok();
    let name = arn
        .as_ref()
        .and_then(|arn| arn.resource_after("stream/"))
        .filter(|name| !name.is_empty());
    let (Some(arn), Some(name)) = (&arn, name) else {
        return Err(invalid_argument(format!("{text} is not the ARN of a stream.")));
    };
    if arn.region != scope.region.as_str() || arn.account != scope.account.as_str() {
        let message = format!("Stream {name} under account {} not found.", arn.account);
        return Err(AwsError::new("ResourceNotFoundException", message));
    }
    Ok(name.to_owned())
}

/// Which stream, in requests that say no more.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Which {
    pub(crate) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(crate) stream_arn: Option<String>,
}

impl Which {
    pub(crate) fn stream(&self, call: &Call) -> Result<Arc<Stream>, AwsError> {
        call.stream(call.scope(), self.stream_name.as_deref(), self.stream_arn.as_deref())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamModeDetails {
    pub(crate) stream_mode: String,
}

impl StreamModeDetails {
    pub(crate) fn of(mode: Mode) -> Self {
        let name = match mode {
            Mode::Provisioned => "PROVISIONED",
            Mode::OnDemand => "ON_DEMAND",
        };
        Self {
            stream_mode: name.to_owned(),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        if self.stream_mode == "ON_DEMAND" {
            Mode::OnDemand
        } else {
            Mode::Provisioned
        }
    }
}

pub(crate) fn status(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "CREATING",
        StreamStatus::Active => "ACTIVE",
        StreamStatus::Updating => "UPDATING",
        StreamStatus::Deleting => "DELETING",
    }
}

pub(crate) fn created(info: &StreamInfo) -> Timestamp {
    Timestamp(info.created_ms)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Shard {
    shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: HashKeyRange,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<String>,
}

impl HashKeyRange {
    pub(crate) fn of(shard: &ShardInfo) -> Self {
        Self {
            starting_hash_key: shard.first_hash.to_string(),
            ending_hash_key: shard.last_hash.to_string(),
        }
    }
}

impl Shard {
    pub(crate) fn of(shard: &ShardInfo) -> Self {
        let mut parents = shard.parents.iter().map(|number| shard_id(*number));
        Self {
            shard_id: shard_id(shard.number),
            parent_shard_id: parents.next(),
            adjacent_parent_shard_id: parents.next(),
            hash_key_range: HashKeyRange::of(shard),
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: Sequence::start_of(shard).to_string(),
                ending_sequence_number: Sequence::end_of(shard).map(|sequence| sequence.to_string()),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnhancedMetrics {
    pub(crate) shard_level_metrics: Vec<String>,
}
