//! The service's quotas, where they are asked for. Facts: Kinesis Developer Guide, "Quotas and limits".

use base::{Buckets, Millis, Scope};
use parking_lot::Mutex;

/// Per stream in a rolling day.
pub(crate) const COUNT_CHANGES_MAX: usize = 10;
pub(crate) const MODE_CHANGES_MAX: usize = 2;
/// Per stream.
pub(crate) const CONSUMERS_MAX: usize = 20;
pub(crate) const CONSUMERS_CREATING_MAX: usize = 5;
/// Open shards of provisioned streams, per account and region.
pub(crate) const SHARDS_MAX: usize = 20_000;
/// On-demand streams, per account and region.
pub(crate) const ON_DEMAND_STREAMS_MAX: usize = 50;
const DAY_MS: Millis = 24 * 3_600_000;
const SECOND_MS: Millis = 1_000;

/// Per shard and second.
const WRITE_BYTES: f64 = (1 << 20) as f64;
const WRITE_RECORDS: f64 = 1_000.0;
/// Per shard and second, of all GetRecords calls together; and of each registered consumer.
const READ_BYTES: f64 = (2 << 20) as f64;
const READ_CALLS: f64 = 5.0;
const ITERATORS: f64 = 5.0;

/// How often an operation may be called in a second. Facts: API Reference, the pages of the operations.
const CALLS: &[(&str, f64)] = &[
    ("AddTagsToStream", 5.0),
    ("CreateStream", 5.0),
    ("DecreaseStreamRetentionPeriod", 5.0),
    ("DeleteStream", 5.0),
    ("DeregisterStreamConsumer", 5.0),
    ("DescribeLimits", 1.0),
    ("DescribeStream", 10.0),
    ("DescribeStreamConsumer", 20.0),
    ("DescribeStreamSummary", 20.0),
    ("DisableEnhancedMonitoring", 5.0),
    ("EnableEnhancedMonitoring", 5.0),
    ("IncreaseStreamRetentionPeriod", 5.0),
    ("ListStreamConsumers", 5.0),
    ("ListStreams", 5.0),
    ("ListTagsForStream", 5.0),
    ("MergeShards", 5.0),
    ("RegisterStreamConsumer", 5.0),
    ("RemoveTagsFromStream", 5.0),
    ("SplitShard", 5.0),
];

/// What shards are used for, to compare it with the quotas.
#[derive(Default)]
pub(crate) struct Limits {
    shards: Mutex<Buckets<(Use, u64)>>,
    /// Per account and region, and the operation's place in the table.
    calls: Mutex<Buckets<(Scope, usize)>>,
}

/// What is counted of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    WriteBytes,
    WriteRecords,
    ReadBytes,
    ReadCalls,
    Iterators,
}

impl Limits {
    /// Takes a call, unless the account has made too many of its kind in this second.
    pub(crate) fn call(&self, scope: &Scope, operation: &str, now_ms: Millis) -> bool {
        let Some(at) = CALLS.iter().position(|(name, _)| *name == operation) else {
            return true;
        };
        self.calls.lock().take_one((scope.clone(), at), CALLS[at].1, now_ms)
    }

    /// Takes a record of so many bytes, unless the partition has had its share of this second.
    pub(crate) fn write(&self, partition: u64, bytes: usize, now_ms: Millis) -> bool {
        let mut all = self.shards.lock();
        let fits = all.level((Use::WriteBytes, partition), WRITE_BYTES, now_ms) >= bytes as f64
            && all.take_one((Use::WriteRecords, partition), WRITE_RECORDS, now_ms);
        if fits {
            all.take(&(Use::WriteBytes, partition), bytes as f64);
        }
        fits
    }

    /// Begins a GetRecords call, unless there were too many, or those before read more than has come in since.
    pub(crate) fn read(&self, partition: u64, now_ms: Millis) -> bool {
        let mut all = self.shards.lock();
        all.level((Use::ReadBytes, partition), READ_BYTES, now_ms) > 0.0
            && all.take_one((Use::ReadCalls, partition), READ_CALLS, now_ms)
    }

    /// Counts what a GetRecords call has read. A full one of 10 MiB keeps the shard busy for five seconds.
    pub(crate) fn has_read(&self, partition: u64, bytes: usize) {
        let mut all = self.shards.lock();
        let burst = if bytes as f64 > READ_BYTES { READ_BYTES } else { 0.0 };
        all.take(&(Use::ReadBytes, partition), bytes as f64 + burst);
    }

    pub(crate) fn iterator(&self, partition: u64, now_ms: Millis) -> bool {
        self.shards
            .lock()
            .take_one((Use::Iterators, partition), ITERATORS, now_ms)
    }
}

/// How long a registered consumer waits after so many bytes.
pub(crate) fn pause_ms(bytes: usize) -> Millis {
    (bytes as f64 / READ_BYTES * SECOND_MS as f64) as Millis
}

/// Those of the times that lie within the last day.
pub(crate) fn within_a_day(times_ms: &[Millis], now_ms: Millis) -> Vec<Millis> {
    times_ms
        .iter()
        .copied()
        .filter(|time_ms| now_ms - time_ms < DAY_MS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_takes_a_megabyte_and_a_thousand_records_a_second() {
        let limits = Limits::default();
        assert!(limits.write(1, 1 << 20, 0) && !limits.write(1, 1, 0) && limits.write(2, 1, 0));
        assert!(!limits.write(1, 1 << 19, 499) && limits.write(1, 1 << 19, 500));
        assert!((0..999).all(|_| limits.write(2, 1, 0)) && !limits.write(2, 1, 0));
        assert!(limits.write(2, 1, 1) && !limits.write(2, 1, 1));
    }

    #[test]
    fn calls_of_an_account_are_counted_by_operation() {
        let (limits, scope) = (Limits::default(), Scope::default());
        assert!((0..5).all(|_| limits.call(&scope, "CreateStream", 0)) && !limits.call(&scope, "CreateStream", 0));
        assert!(limits.call(&scope, "DeleteStream", 0) && limits.call(&scope, "CreateStream", 200));
        assert!(
            (0..1_000).all(|_| limits.call(&scope, "PutRecord", 0)),
            "shards have quotas for these"
        );
        let model = protocol_aws::Model::get("kinesis").expect("a model");
        assert!(CALLS.iter().all(|(name, _)| model.operations.contains_key(*name)));
    }

    #[test]
    fn a_shard_is_read_five_times_a_second_and_rests_after_much() {
        let limits = Limits::default();
        assert!((0..5).all(|_| limits.read(1, 0)) && !limits.read(1, 0) && limits.read(1, 200));
        assert!(limits.read(2, 0));
        limits.has_read(2, 10 << 20);
        assert!(!limits.read(2, 4_999) && limits.read(2, 5_001));
        assert!((0..5).all(|_| limits.iterator(3, 0)) && !limits.iterator(3, 0));
    }
}
