//! Latency figures that cost next to nothing to keep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Four buckets for each doubling, from 1 us up to 2^32 us.
const BUCKETS: usize = 4 * 32;

/// Counts durations in buckets that are each about 19 % wider than the one before.
#[derive(Debug)]
pub(crate) struct Latencies {
    counts: [AtomicU64; BUCKETS],
    total_us: AtomicU64,
}

/// Percentiles are the upper bounds of their buckets, at most 19 % too high.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencyFigures {
    pub count: u64,
    pub total_us: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            total_us: AtomicU64::new(0),
        }
    }
}

impl Latencies {
    pub(crate) fn record(&self, duration: Duration) {
        let us = duration.as_micros().clamp(1, u128::from(u32::MAX)) as u64;
        let bucket = ((us as f64).log2() * 4.0) as usize;
        self.counts[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> LatencyFigures {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let count = counts.iter().sum();
        let percentile = |share: f64| {
            let wanted = (count as f64 * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            let bucket = counts.iter().position(|n| {
                seen += n;
                seen >= wanted
            });
            bucket.map_or(0, |bucket| ((bucket + 1) as f64 / 4.0).exp2().round() as u64)
        };
        LatencyFigures {
            count,
            total_us: self.total_us.load(Ordering::Relaxed),
            p50_us: percentile(0.5),
            p99_us: percentile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_the_truth() {
        let latencies = Latencies::default();
        assert_eq!(latencies.figures(), LatencyFigures::default());
        for us in 1..=1000 {
            latencies.record(Duration::from_micros(us));
        }
        let figures = latencies.figures();
        assert_eq!((figures.count, figures.total_us), (1000, 500_500));
        assert!((500..=600).contains(&figures.p50_us), "{figures:?}");
        assert!((990..=1190).contains(&figures.p99_us), "{figures:?}");
    }
}
