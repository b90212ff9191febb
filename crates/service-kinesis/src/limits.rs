//! The service's quotas, where they are asked for.

use base::Millis;

/// Per stream in a rolling day.
pub(crate) const COUNT_CHANGES_MAX: usize = 10;
pub(crate) const MODE_CHANGES_MAX: usize = 2;
/// Per stream.
pub(crate) const CONSUMERS_MAX: usize = 20;
pub(crate) const CONSUMERS_CREATING_MAX: usize = 5;
const DAY_MS: Millis = 24 * 3_600_000;

/// Quotas are enforced.
pub(crate) struct Limits;

/// Those of the times that lie within the last day.
pub(crate) fn within_a_day(times_ms: &[Millis], now_ms: Millis) -> Vec<Millis> {
    times_ms
        .iter()
        .copied()
        .filter(|time_ms| now_ms - time_ms < DAY_MS)
        .collect()
}
