//! The service's quotas, where they are asked for. Facts: Kinesis Developer Guide, "Quotas and limits".

use std::collections::HashMap;
use std::hash::Hash;

use base::{Millis, Scope};
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
/// A full GetRecords call keeps a shard busy for five seconds.
const DEBT_MS_MAX: Millis = 10 * SECOND_MS;
/// From so many buckets on, those that are full are forgotten.
const BUCKETS_MAX: usize = 100_000;

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
    shards: Mutex<HashMap<(Use, u64), Bucket>>,
    /// Per account and region, and the operation's place in the table.
    calls: Mutex<HashMap<(Scope, usize), Bucket>>,
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

/// Holds as much as one second brings. What is taken beyond that has to come in before more is given.
struct Bucket {
    level: f64,
    at_ms: Millis,
}

impl Limits {
    /// Takes a call, unless the account has made too many of its kind in this second.
    pub(crate) fn call(&self, scope: &Scope, operation: &str, now_ms: Millis) -> bool {
        let Some(at) = CALLS.iter().position(|(name, _)| *name == operation) else {
            return true;
        };
        let mut all = self.calls.lock();
        let bucket = refilled(&mut all, (scope.clone(), at), CALLS[at].1, now_ms);
        let fits = bucket.level >= 1.0;
        if fits {
            bucket.level -= 1.0;
        }
        fits
    }

    /// Takes a record of so many bytes, unless the partition has had its share of this second.
    pub(crate) fn write(&self, partition: u64, bytes: usize, now_ms: Millis) -> bool {
        let mut all = self.shards.lock();
        let fits = level(&mut all, Use::WriteBytes, partition, WRITE_BYTES, now_ms) >= bytes as f64
            && level(&mut all, Use::WriteRecords, partition, WRITE_RECORDS, now_ms) >= 1.0;
        if fits {
            take(&mut all, Use::WriteBytes, partition, bytes as f64);
            take(&mut all, Use::WriteRecords, partition, 1.0);
        }
        fits
    }

    /// Begins a GetRecords call, unless there were too many, or those before read more than has come in since.
    pub(crate) fn read(&self, partition: u64, now_ms: Millis) -> bool {
        let mut all = self.shards.lock();
        let fits = level(&mut all, Use::ReadCalls, partition, READ_CALLS, now_ms) >= 1.0
            && level(&mut all, Use::ReadBytes, partition, READ_BYTES, now_ms) > 0.0;
        if fits {
            take(&mut all, Use::ReadCalls, partition, 1.0);
        }
        fits
    }

    /// Counts what a GetRecords call has read. A full one of 10 MiB keeps the shard busy for five seconds.
    pub(crate) fn has_read(&self, partition: u64, bytes: usize) {
        let mut all = self.shards.lock();
        let burst = if bytes as f64 > READ_BYTES { READ_BYTES } else { 0.0 };
        take(&mut all, Use::ReadBytes, partition, bytes as f64 + burst);
    }

    pub(crate) fn iterator(&self, partition: u64, now_ms: Millis) -> bool {
        let mut all = self.shards.lock();
        let fits = level(&mut all, Use::Iterators, partition, ITERATORS, now_ms) >= 1.0;
        if fits {
            take(&mut all, Use::Iterators, partition, 1.0);
        }
        fits
    }
}

/// How long a registered consumer waits after so many bytes.
pub(crate) fn pause_ms(bytes: usize) -> Millis {
    (bytes as f64 / READ_BYTES * SECOND_MS as f64) as Millis
}

fn level(all: &mut HashMap<(Use, u64), Bucket>, what: Use, partition: u64, rate: f64, now_ms: Millis) -> f64 {
    refilled(all, (what, partition), rate, now_ms).level
}

fn refilled<K: Eq + Hash>(all: &mut HashMap<K, Bucket>, key: K, rate: f64, now_ms: Millis) -> &mut Bucket {
    if all.len() >= BUCKETS_MAX {
        // Those that nobody has used for longer than any debt lasts are full, as new ones are.
        all.retain(|_, bucket| now_ms - bucket.at_ms < DEBT_MS_MAX);
    }
    let bucket = all.entry(key).or_insert(Bucket {
        level: rate,
        at_ms: now_ms,
    });
    let since_s = (now_ms - bucket.at_ms).max(0) as f64 / SECOND_MS as f64;
    bucket.level = (bucket.level + since_s * rate).min(rate);
    bucket.at_ms = now_ms;
    bucket
}

fn take(all: &mut HashMap<(Use, u64), Bucket>, what: Use, partition: u64, amount: f64) {
    if let Some(bucket) = all.get_mut(&(what, partition)) {
        bucket.level -= amount;
    }
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
