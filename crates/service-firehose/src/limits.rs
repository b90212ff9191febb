//! The service's quotas, where they are asked for. Facts: the developer guide's page "Quota".

use base::{Buckets, Millis, Scope};
use parking_lot::Mutex;

/// Of direct puts, per delivery stream and second: records, calls and bytes, in the large regions and elsewhere.
const LARGE_REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
const LARGE: Rates = Rates {
    records: 500_000.0,
    calls: 2_000.0,
    bytes: (5 << 20) as f64,
};
const OTHER: Rates = Rates {
    records: 100_000.0,
    calls: 1_000.0,
    bytes: (1 << 20) as f64,
};
/// How often an operation besides the puts may be called in a second, per account and region.
const CALLS: f64 = 5.0;

struct Rates {
    records: f64,
    calls: f64,
    bytes: f64,
}

/// What has been used of the quotas.
#[derive(Default)]
pub(crate) struct Limits {
    puts: Mutex<Buckets<(Scope, String, Use)>>,
    calls: Mutex<Buckets<(Scope, &'static str)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    Records,
    Calls,
    Bytes,
}

impl Limits {
    pub(crate) fn call(&self, scope: &Scope, operation: &'static str, now_ms: Millis) -> bool {
        self.calls.lock().take_one((scope.clone(), operation), CALLS, now_ms)
    }

    /// How many of a call's records, of the sizes given, are taken: those from the first on that fit. A record that is
    /// larger than what a second brings is taken by a full bucket, which is in debt then.
    pub(crate) fn put(&self, scope: &Scope, name: &str, sizes: impl Iterator<Item = usize>, now_ms: Millis) -> usize {
        let rates = match LARGE_REGIONS.contains(&scope.region.as_str()) {
            true => LARGE,
            false => OTHER,
        };
        let key = |what| (scope.clone(), name.to_owned(), what);
        let mut puts = self.puts.lock();
        if !puts.take_one(key(Use::Calls), rates.calls, now_ms) {
            return 0;
        }
        let (records, bytes) = (key(Use::Records), key(Use::Bytes));
        let mut records_left = puts.level(records.clone(), rates.records, now_ms);
        let mut bytes_left = puts.level(bytes.clone(), rates.bytes, now_ms);
        let mut taken = 0;
        for size in sizes {
            let fits = bytes_left >= size as f64 || bytes_left >= rates.bytes;
            if records_left < 1.0 || !fits {
                break;
            }
            taken += 1;
            records_left -= 1.0;
            bytes_left -= size as f64;
            puts.take(&bytes, size as f64);
        }
        puts.take(&records, taken as f64);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_stream_takes_so_many_records_calls_and_bytes_a_second() {
        let (limits, here) = (Limits::default(), Scope::default());
        let there = Scope::new(here.account.clone(), "eu-north-1".parse().expect("a region"));
        let put = |scope, name, count: usize, size: usize, now_ms| {
            limits.put(scope, name, std::iter::repeat_n(size, count), now_ms)
        };
        assert_eq!(put(&here, "a", 6, 1 << 20, 0), 5);
        assert_eq!(put(&here, "a", 6, 1 << 20, 500), 2);
        assert_eq!(put(&here, "b", 500, 0, 0), 500);
        assert_eq!(put(&there, "a", 2, 1 << 20, 0), 1);
        assert_eq!((0..1_999).filter(|_| put(&here, "b", 1, 0, 0) == 1).count(), 1_999);
        assert_eq!(put(&here, "b", 1, 0, 0), 0);
        assert_eq!((0..300).map(|_| put(&there, "c", 500, 0, 0)).sum::<usize>(), 100_000);
    }

    #[test]
    fn other_calls_are_counted_by_operation() {
        let (limits, scope) = (Limits::default(), Scope::default());
        let all = (0..6).filter(|_| limits.call(&scope, "CreateDeliveryStream", 0));
        assert_eq!(all.count(), 5);
        assert!(limits.call(&scope, "DeleteDeliveryStream", 0));
    }
}
