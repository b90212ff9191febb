//! GetShardIterator: where to begin reading a shard.

use engine_log::streams::{ShardInfo, Stream};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::iterator::Iterator;
use crate::sequence::Sequence;
use crate::shapes::{shard_id, shard_index};
use crate::{Call, errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<Timestamp>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_iterator: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let shard = shard_index(call.scope(), &stream, &input.shard_id)?;
    if let Some(limits) = &call.limits
        && !limits.iterator(stream.partitions()[shard].id(), call.clock.now_ms())
    {
        let shard_id = shard_id(stream.shards[shard].number);
        return Err(errors::throughput_exceeded(call.scope(), &stream.id.name, &shard_id));
    }
    let start = Start {
        operation: "GetShardIterator",
        kind: &input.shard_iterator_type,
        sequence_number: input.starting_sequence_number.as_deref(),
        timestamp: input.timestamp,
    };
    let offset = starting_offset(call, &stream, shard, start).await?;
    if input.dry_run == Some(true) {
        return Err(errors::dry_run());
    }
    Ok(Output {
        shard_iterator: Iterator::new(&stream, stream.shards[shard].number, offset, call.clock.now_ms()).seal(),
    })
}

/// Where a reader wants to begin, and through which operation.
pub(crate) struct Start<'i> {
    pub(crate) operation: &'static str,
    pub(crate) kind: &'i str,
    pub(crate) sequence_number: Option<&'i str>,
    pub(crate) timestamp: Option<Timestamp>,
}

/// The offset at which a reader begins.
pub(crate) async fn starting_offset(
    call: &Call,
    stream: &Stream,
    index: usize,
    start: Start<'_>,
) -> Result<u64, AwsError> {
    let name = stream.id.name.as_str();
    let (shard, partition, log) = (&stream.shards[index], &stream.partitions()[index], call.streams.log());
    let failed = |error| errors::from_log(call.scope(), name, error);
    let kind = start.kind;
    match (kind, start.sequence_number) {
        ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", Some(text)) => {
            let sequence = parse(call, stream, shard, start.operation, text)?;
            let after = kind == "AFTER_SEQUENCE_NUMBER" && sequence.index > 0;
            Ok(sequence
                .offset()
                .saturating_add(u64::from(after))
                .min(partition.end_offset()))
        }
        ("TRIM_HORIZON", None) => log.start_offset(partition).await.map_err(failed),
        ("LATEST", None) => Ok(partition.end_offset()),
        ("AT_TIMESTAMP", None) => {
            let time = start.timestamp.ok_or_else(|| {
                errors::invalid_argument(
                    "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. \
                     Current request has no timestamp parameter.",
                )
            })?;
            let now_ms = call.clock.now_ms();
            if time.0 > now_ms {
                return Err(errors::invalid_argument(format!(
                    "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                     timestampInMillis: {}, currentTimestampInMillis: {now_ms}",
                    time.0
                )));
            }
            log.offset_at(partition, time.0).await.map_err(failed)
        }
        (_, given) => {
            let given = if given.is_some() { "also a" } else { "no" };
            Err(errors::invalid_argument(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or \
                 (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. \
                 Request specified {kind} and {given} StartingSequenceNumber."
            )))
        }
    }
}

fn parse(call: &Call, stream: &Stream, shard: &ShardInfo, operation: &str, text: &str) -> Result<Sequence, AwsError> {
    let refused = |why: &str| {
        errors::invalid_argument(format!(
            "StartingSequenceNumber {text} used in {operation} on shard {} in stream {} under account {} is invalid{why}.",
            shard_id(shard.number),
            stream.id.name,
            call.scope().account
        ))
    };
    let sequence = Sequence::parse(text).ok_or_else(|| refused(""))?;
    if sequence.shard != shard.number {
        return Err(errors::invalid_argument(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {}",
            shard_id(sequence.shard),
            shard_id(shard.number)
        )));
    }
    if sequence.is_of(shard) {
        Ok(sequence)
    } else {
        Err(refused(" because it did not come from this stream"))
    }
}
