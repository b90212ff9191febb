//! Timestamps as ORC holds them: seconds since 2015 and nanoseconds.

/// 2015-01-01 00:00:00 in seconds since 1970. The writer's time zone is UTC.
const BASE_SECONDS: i64 = 1_420_070_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Readers take a second off a time before 1970 whose nanoseconds are more than this (ORC-306, ORC-763).
const BORROW_NANOS: i64 = 999_999;

/// A timestamp's values in the two streams, and the milliseconds since 1970 that readers make of them.
///
/// The last 999 milliseconds before 1970 cannot be written: every reader takes them for times after it. As Apache
/// ORC's own writers do, such a time is written so that it reads one second late.
pub(super) struct OrcTimestamp {
    pub(super) seconds: i64,
    pub(super) nanos: i64,
    pub(super) millis: i64,
}

impl OrcTimestamp {
    /// Of a count of units since 1970, of which `per_second` make a second.
    pub(super) fn new(value: i64, per_second: i64) -> Self {
        let mut seconds = value.div_euclid(per_second);
        let nanos = value.rem_euclid(per_second) * (NANOS_PER_SECOND / per_second);
        let borrowed = seconds < 0 && nanos > BORROW_NANOS;
        seconds += i64::from(borrowed);
        let read = seconds - i64::from(seconds < 0 && borrowed);
        Self {
            seconds: seconds.saturating_sub(BASE_SECONDS),
            nanos: without_zeros(nanos),
            millis: read.saturating_mul(1_000).saturating_add(nanos / 1_000_000),
        }
    }
}

/// Two or more decimal zeros at the end are taken off; the lowest three bits say how many, less one.
fn without_zeros(nanos: i64) -> i64 {
    if nanos == 0 || nanos % 100 != 0 {
        return nanos << 3;
    }
    let mut digits = nanos / 100;
    let mut zeros = 1;
    while digits % 10 == 0 && zeros < 7 {
        digits /= 10;
        zeros += 1;
    }
    digits << 3 | zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's examples.
    #[test]
    fn zeros_are_counted() {
        assert_eq!(without_zeros(1_000), 0x0a);
        assert_eq!(without_zeros(100_000), 0x0c);
        assert_eq!(without_zeros(123_456_789), 123_456_789 << 3);
        assert_eq!(without_zeros(10), 10 << 3);
        assert_eq!(without_zeros(0), 0);
        assert_eq!(without_zeros(900_000_000), 9 << 3 | 7);
    }

    #[test]
    fn before_1970() {
        let of = |micros| {
            let OrcTimestamp { seconds, millis, .. } = OrcTimestamp::new(micros, 1_000_000);
            (seconds + BASE_SECONDS, millis)
        };
        assert_eq!(of(-1_500_000), (-1, -1_500));
        assert_eq!(of(-2_000_000), (-2, -2_000));
        // So few nanoseconds that readers take nothing off.
        assert_eq!(of(-1_999_500), (-2, -2_000));
        // What cannot be written.
        assert_eq!(of(-500_000), (0, 500));
    }
}
