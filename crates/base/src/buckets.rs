//! Token buckets, which keep rates within bounds.

use std::collections::HashMap;
use std::hash::Hash;

use crate::Millis;

const SECOND_MS: Millis = 1_000;
/// No debt lasts longer, so that a bucket which nobody has used for so long is full.
const DEBT_MS_MAX: Millis = 10 * SECOND_MS;
/// From so many buckets on, those that are full are forgotten.
const BUCKETS_MAX: usize = 100_000;

/// A bucket for each key. It holds as much as one second brings; what is taken beyond that has to come in before more
/// is given.
#[derive(Debug)]
pub struct Buckets<K>(HashMap<K, Bucket>);

#[derive(Debug)]
struct Bucket {
    level: f64,
    at_ms: Millis,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// What a bucket holds now, into which `rate` comes in a second.
    pub fn level(&mut self, key: K, rate: f64, now_ms: Millis) -> f64 {
        if self.0.len() >= BUCKETS_MAX {
            self.0.retain(|_, bucket| now_ms - bucket.at_ms < DEBT_MS_MAX);
        }
        let bucket = self.0.entry(key).or_insert(Bucket {
            level: rate,
            at_ms: now_ms,
        });
        let since_s = (now_ms - bucket.at_ms).max(0) as f64 / SECOND_MS as f64;
        bucket.level = (bucket.level + since_s * rate).min(rate);
        bucket.at_ms = now_ms;
        bucket.level
    }

    /// Takes from a bucket that was looked at before, into debt if need be.
    pub fn take(&mut self, key: &K, amount: f64) {
        if let Some(bucket) = self.0.get_mut(key) {
            bucket.level -= amount;
        }
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Takes one, if it is there.
    pub fn take_one(&mut self, key: K, rate: f64, now_ms: Millis) -> bool {
        let fits = self.level(key.clone(), rate, now_ms) >= 1.0;
        if fits {
            self.take(&key, 1.0);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_by_its_rate_and_debts_are_paid_first() {
        let mut buckets = Buckets::default();
        assert!((0..5).all(|_| buckets.take_one("a", 5.0, 0)) && !buckets.take_one("a", 5.0, 199));
        assert!(buckets.take_one("a", 5.0, 200) && buckets.take_one("b", 5.0, 0));
        buckets.take(&"b", 14.0);
        assert!(!buckets.take_one("b", 5.0, 2_000) && buckets.take_one("b", 5.0, 2_200));
        assert!(
            (buckets.level("b", 5.0, 60_000) - 5.0).abs() < 1e-9,
            "it holds one second's worth"
        );
    }
}
