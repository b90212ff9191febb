//! SubscribeToShard: pushes a shard's records to a registered consumer as they come, for five minutes.

use std::sync::Arc;
use std::time::Duration;

use base::{Millis, Scope};
use engine_log::LogError;
use engine_log::streams::Stream;
use futures::stream;
use protocol_aws::{AwsError, Event, Events, Timestamp};
use serde::Deserialize;

use crate::consumers::{Named, not_found};
use crate::get_records::{behind_ms, children_of, write_json, write_records};
use crate::get_shard_iterator::{Start, starting_offset};
use crate::limits::pause_ms;
use crate::sequence::Sequence;
use crate::shapes::{shard_id, shard_index, stream_id};
use crate::subscriptions::Subscription;
use crate::{Call, Kinesis, errors};

const LIFE_MS: Millis = 300_000;
/// An event without records follows when none have come for so long.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// One event carries about so much.
const EVENT_BYTES_MAX: usize = 1 << 20;
const EVENT_RECORDS_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    shard_id: String,
    starting_position: StartingPosition,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartingPosition {
    #[serde(rename = "Type")]
    kind: String,
    sequence_number: Option<String>,
    timestamp: Option<Timestamp>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Events, AwsError> {
    let scope = call.scope();
    let consumer = Named::parse(scope, &input.consumer_arn).ok_or_else(|| not_found(scope, &input.consumer_arn))?;
    let (stream, info) = call.consumer(scope, &consumer)?;
    if !call.is_ready(&info) {
        return Err(errors::in_use(format!(
            "Consumer {} under stream {} is in CREATING state.",
            info.name, stream.id.name
        )));
    }
    let shard = shard_index(scope, &stream, &input.shard_id)?;
    let start = Start {
        operation: "SubscribeToShard",
        kind: &input.starting_position.kind,
        sequence_number: input.starting_position.sequence_number.as_deref(),
        timestamp: input.starting_position.timestamp,
    };
    let cursor = starting_offset(call, &stream, shard, start).await?;
    if input.dry_run == Some(true) {
        return Err(errors::dry_run());
    }
    let now_ms = call.clock.now_ms();
    let number = stream.shards[shard].number;
    let subscription = call.subscriptions.take(&input.consumer_arn, number, now_ms);
    let in_use = in_use(scope, &stream, number, &consumer.name);
    let Some(subscription) = subscription else {
        return Err(in_use);
    };
    let subscriber = Subscriber {
        kinesis: call.state().clone(),
        scope: scope.clone(),
        consumer,
        uid: stream.uid,
        shard,
        cursor,
        last_arrival_ms: stream.shards[shard].created_ms,
        ends_ms: now_ms + LIFE_MS,
        subscription,
        in_use: Some(in_use),
        has_ended: false,
    };
    Ok(Events::new(stream::unfold(subscriber, |mut subscriber| async {
        let event = subscriber.next().await?;
        Some((event, subscriber))
    })))
}

fn in_use(scope: &Scope, stream: &Stream, shard: u32, consumer: &str) -> AwsError {
    errors::in_use(format!(
        "Another active subscription exists for this consumer: {}:{}:{}:{consumer}",
        scope.account,
        stream.id.name,
        shard_id(shard)
    ))
}

struct Subscriber {
    kinesis: Arc<Kinesis>,
    scope: Scope,
    consumer: Named,
    /// Tells the stream from a later one of the same name.
    uid: u64,
    shard: usize,
    /// The next offset to read.
    cursor: u64,
    last_arrival_ms: Millis,
    ends_ms: Millis,
    subscription: Subscription,
    /// What to end with when somebody takes over.
    in_use: Option<AwsError>,
    has_ended: bool,
}

impl Subscriber {
    /// The next event, when there is one; `None` once the subscription is over.
    async fn next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        match self.try_next().await {
            Ok(event) => event,
            Err(error) => {
                self.has_ended = true;
                Some(Event::Failed(error))
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Event>, AwsError> {
        let kinesis = self.kinesis.clone();
        let (log, clock) = (kinesis.streams.log(), &kinesis.clock);
        let mut is_due = false;
        loop {
            let stream = self.stream()?;
            let partition = &stream.partitions()[self.shard];
            let read = log
                .read(partition, self.cursor, EVENT_BYTES_MAX, EVENT_RECORDS_MAX)
                .await;
            let read = match read {
                // The stream has just been deleted.
                Err(LogError::NoPartition) => continue,
                read => read.map_err(|error| errors::from_log(&self.scope, &stream.id.name, error))?,
            };
            self.cursor = read.next_offset;
            let closed = stream.shards[self.shard].closed;
            self.has_ended = closed.is_some_and(|closed| read.next_offset >= closed.end_offset);
            let now_ms = clock.now_ms();
            if !read.records.is_empty() || self.has_ended || is_due {
                if let Some(last) = read.records.last() {
                    self.last_arrival_ms = last.arrival_ms;
                }
                if kinesis.limits.is_some() {
                    let bytes = read
                        .records
                        .iter()
                        .map(|record| record.data.len() + record.key.len())
                        .sum();
                    clock.sleep(Duration::from_millis(pause_ms(bytes) as u64)).await;
                }
                let behind_ms = behind_ms(&read, now_ms);
                return self.event(&stream, &read.records, behind_ms).map(Some);
            }
            let left_ms = (self.ends_ms - now_ms).max(0);
            if left_ms == 0 {
                return Ok(None);
            }
            let heartbeat = HEARTBEAT.min(Duration::from_millis(left_ms as u64));
            tokio::select! {
                biased;
                () = self.subscription.taken() => {
                    return Err(self.in_use.take().unwrap_or_else(|| errors::in_use("")));
                }
                // The server is going down; the consumer subscribes again.
                () = kinesis.streams.tasks().ending().cancelled() => return Ok(None),
                woken = log.wait_for(partition, self.cursor) => match woken {
                    // The shard is being closed, or was.
                    Err(LogError::Fenced) => {
                        kinesis.streams.settled().await;
                        if self.stream()?.shards[self.shard].closed.is_none() {
                            // It could not be, and the next start tells what has become of it.
                            clock.sleep(heartbeat).await;
                        }
                    }
                    Ok(()) | Err(LogError::NoPartition) => {}
                    Err(error) => return Err(errors::from_log(&self.scope, &stream.id.name, error)),
                },
                () = clock.sleep(heartbeat) => is_due = clock.now_ms() < self.ends_ms,
            }
        }
    }

    /// The stream as it is now, as long as it and the consumer are there.
    fn stream(&self) -> Result<Arc<Stream>, AwsError> {
        let name = &self.consumer.stream;
        let found = self.kinesis.streams.get(&stream_id(&self.scope, name));
        let stream = found.filter(|stream| stream.uid == self.uid);
        let stream = stream.ok_or_else(|| errors::stream_not_found(&self.scope, name))?;
        if !stream.consumers.iter().any(|consumer| self.consumer.is(consumer)) {
            return Err(not_found(&self.scope, &self.consumer.name));
        }
        Ok(stream)
    }

    fn event(&self, stream: &Stream, records: &[engine_log::Record], behind_ms: Millis) -> Result<Event, AwsError> {
        let shard = &stream.shards[self.shard];
        let mut out = Vec::with_capacity(
            256 + records
                .iter()
                .map(|record| record.data.len() * 3 / 2 + 256)
                .sum::<usize>(),
        );
        out.push(b'{');
        write_records(&mut out, shard, records)?;
        if self.has_ended {
            out.extend_from_slice(b"\"ChildShards\":");
            write_json(&mut out, &children_of(stream, shard.number))?;
        } else {
            let sequence = Sequence {
                index: self.cursor,
                ..Sequence::of_record(shard, 0, self.last_arrival_ms)
            };
            out.extend_from_slice(b"\"ContinuationSequenceNumber\":");
            write_json(&mut out, &sequence.to_string())?;
        }
        out.extend_from_slice(b",\"MillisBehindLatest\":");
        write_json(&mut out, &behind_ms)?;
        out.push(b'}');
        Ok(Event::Member("SubscribeToShardEvent", out.into()))
    }
}
