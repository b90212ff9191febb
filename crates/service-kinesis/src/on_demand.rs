//! On-demand streams grow with what is written to them: to twice the throughput that was seen, or to what they are
//! kept warm for. Fact: Developer Guide, "On-demand mode": a stream takes up to double its previous peak.

use std::collections::HashMap;
use std::time::Duration;

use base::Millis;
use engine_log::streams::{Kind, Mode, Stream, StreamError, StreamStatus, Streams, even_steps};

/// How often throughput is looked at, and over how long it is averaged.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What a shard takes in a second.
const SHARD_BYTES: f64 = (1 << 20) as f64;
const SHARD_RECORDS: f64 = 1_000.0;
/// A stream grows to so many shards by itself: 200 MB/s, the quota of a new account.
const SHARDS_MAX: u32 = 200;

/// What has been written to a stream up to a time.
#[derive(Clone, Copy)]
struct Written {
    bytes: u64,
    records: u64,
    at_ms: Millis,
}

impl Written {
    fn to(stream: &Stream, at_ms: Millis) -> Self {
        let partitions = stream.partitions();
        Self {
            bytes: partitions.iter().map(engine_log::Partition::appended_bytes).sum(),
            records: partitions.iter().map(engine_log::Partition::end_offset).sum(),
            at_ms,
        }
    }

    /// How many shards take twice what has been written since.
    fn shards_since(self, before: Self) -> u32 {
        let seconds = ((self.at_ms - before.at_ms).max(1)) as f64 / 1e3;
        let bytes = self.bytes.saturating_sub(before.bytes) as f64 / seconds;
        let records = self.records.saturating_sub(before.records) as f64 / seconds;
        (2.0 * (bytes / SHARD_BYTES).max(records / SHARD_RECORDS)).ceil() as u32
    }
}

/// Looks after all on-demand streams until everything ends.
pub(crate) async fn scale(streams: Streams) {
    let mut seen = HashMap::<u64, Written>::new();
    loop {
        tokio::select! {
            () = streams.tasks().stopping().cancelled() => return,
            () = streams.clock().sleep(LOOK_EVERY) => {}
        }
        let now_ms = streams.clock().now_ms();
        let mut now = HashMap::new();
        for stream in streams.all() {
            if stream.id.kind != Kind::Data || stream.mode != Mode::OnDemand {
                continue;
            }
            let written = Written::to(&stream, now_ms);
            now.insert(stream.uid, written);
            let wanted = seen.get(&stream.uid).map_or(0, |before| written.shards_since(*before));
            let wanted = wanted
                .max(stream.warm_throughput_mibps.unwrap_or_default())
                .min(SHARDS_MAX);
            if stream.status != StreamStatus::Active || wanted as usize <= stream.open_shards() {
                continue;
            }
            let name = stream.id.name.clone();
            tracing::info!(stream = name, shards = wanted, "an on-demand stream grows");
            // Looked at again in turn: a stream that is being deleted by then must stay so.
            let grown = streams.reshard(&stream.id, move |stream| match stream.status {
                StreamStatus::Active => Ok(even_steps(&stream.shards, wanted)),
                _ => Err(StreamError::InvalidSteps),
            });
            if let Err(error) = grown.await {
                tracing::warn!(%error, stream = name, "an on-demand stream could not grow; it is tried again");
            }
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_needs_shards_for_twice_its_bytes_or_its_records() {
        let before = Written {
            bytes: 0,
            records: 0,
            at_ms: 0,
        };
        for (bytes, records, shards) in [
            (0, 0, 0),
            (10 << 20, 10, 2),
            (100 << 20, 10, 20),
            (0, 50_000, 10),
            ((10 << 20) + 1, 0, 3),
        ] {
            let now = Written {
                bytes,
                records,
                at_ms: 10_000,
            };
            assert_eq!(now.shards_since(before), shards, "{bytes} {records}");
        }
    }
}
