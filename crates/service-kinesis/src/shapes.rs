//! What several operations take or return.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Arn, Scope};
use engine_log::streams::{Kind, Mode, ShardInfo, Stream, StreamId, StreamInfo, StreamStatus};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::errors::{ChangeError, in_use, invalid_argument, shard_not_found, stream_not_found, validation_of};
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
        let stream = self.streams.get(&id);
        stream.ok_or_else(|| stream_not_found(scope, &id.name))
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
    shard_level_metrics: BTreeSet<String>,
}

impl EnhancedMetrics {
    pub(crate) fn of(info: &StreamInfo) -> Self {
        Self {
            shard_level_metrics: info.shard_metrics.clone(),
        }
    }
}

/// The throughput that an on-demand stream is kept ready for.
#[derive(Serialize)]
pub(crate) struct WarmThroughput {
    #[serde(rename = "TargetMiBps")]
    target_mibps: u32,
    #[serde(rename = "CurrentMiBps")]
    current_mibps: u32,
}

impl WarmThroughput {
    pub(crate) fn of(info: &StreamInfo) -> Option<Self> {
        // Nothing has to be warmed up here: what is asked for is there.
        info.warm_throughput_mibps.map(|mibps| Self {
            target_mibps: mibps,
            current_mibps: mibps,
        })
    }
}

/// What answers about records say of a stream that is encrypted; of others they say nothing.
pub(crate) fn encrypted(info: &StreamInfo) -> Option<&'static str> {
    info.encryption_key.as_ref().map(|_| "KMS")
}

pub(crate) fn encryption_type(info: &StreamInfo) -> &'static str {
    if info.encryption_key.is_some() { "KMS" } else { "NONE" }
}

/// Refuses a change to a stream that is being changed.
pub(crate) fn active(info: &StreamInfo) -> Result<(), ChangeError> {
    if info.status == StreamStatus::Active {
        return Ok(());
    }
    Err(ChangeError::Refused(in_use(format!(
        "Stream {} under account {} not ACTIVE, instead in state {}",
        info.id.name,
        info.id.scope.account,
        status(info.status)
    ))))
}

/// Refuses what only the service itself does to an on-demand stream.
pub(crate) fn provisioned(info: &StreamInfo) -> Result<(), ChangeError> {
    if info.mode == Mode::Provisioned {
        return Ok(());
    }
    Err(ChangeError::Refused(validation_of(format!(
        "Request is invalid. Stream {} under account {} is in On-Demand mode.",
        info.id.name, info.id.scope.account
    ))))
}

/// The index of the shard that a reader names.
pub(crate) fn shard_index(scope: &Scope, stream: &Stream, id: &str) -> Result<usize, AwsError> {
    let name = stream.id.name.as_str();
    let Some(number) = shard_number(id) else {
        let message = format!(
            "Could not find shard {id} in stream {name} under account {}.",
            scope.account
        );
        return Err(AwsError::new("ResourceNotFoundException", message));
    };
    let found = stream.shards.iter().position(|shard| shard.number == number);
    found.ok_or_else(|| shard_not_found(scope, name, &shard_id(number)))
}

/// The open shard that a change names.
pub(crate) fn open_shard<'s>(stream: &'s Stream, id: &str) -> Result<&'s ShardInfo, ChangeError> {
    let (name, account) = (&stream.id.name, &stream.id.scope.account);
    let found = shard_number(id).and_then(|number| stream.shards.iter().find(|shard| shard.number == number));
    let Some(shard) = found else {
        let message = format!("Could not find shard {id} in stream {name} under account {account}.");
        return Err(ChangeError::Refused(AwsError::new(
            "ResourceNotFoundException",
            message,
        )));
    };
    if shard.closed.is_some() {
        return Err(ChangeError::Refused(in_use(format!(
            "Shard {} in stream {name} under account {account} has already been merged or split, and thus is not \
             eligible for merging or splitting.",
            shard_id(shard.number)
        ))));
    }
    Ok(shard)
}
