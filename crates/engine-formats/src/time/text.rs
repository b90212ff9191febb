//! Dates and timestamps as text and as numbers, read as UTC.

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::Date32Type;

const DATE_BYTES: usize = "2013-01-31".len();
const SECOND_BYTES: usize = "2013-01-31T05:00:00".len();
const MICROS: i64 = 1_000_000;

/// Microseconds since 1970 of a timestamp such as `2013-01-31T05:00:00.25Z` or `2013-1-31 5:00:00`. Offsets such as
/// `+01:00` are taken into account; without one it is UTC.
pub(crate) fn micros_of_text(text: &str) -> Option<i64> {
    micros_of_fixed_layout(text.as_bytes()).or_else(|| {
        // By way of nanoseconds only the years from 1677 to 2262 would fit.
        let utc: Tz = "+00:00".parse().ok()?;
        let time = string_to_datetime(&utc, text).ok();
        time.map(|time| time.timestamp_micros())
            .or_else(|| micros_of_jdbc(text))
    })
}

/// Days since 1970 of a date such as `2013-01-31` or `2013-1-31`. A time of day may follow, and is dropped.
pub(crate) fn date_of_text(text: &str) -> Option<i32> {
    let date = match text.as_bytes().get(DATE_BYTES) {
        None => text,
        Some(b'T' | b' ') => text.get(..DATE_BYTES)?,
        Some(_) => return None,
    };
    Date32Type::parse(date)
}

/// The timestamps that almost all are: `yyyy-MM-dd`, a T or a blank, `HH:mm:ss`, perhaps a fraction and a Z.
pub(crate) fn micros_of_fixed_layout(text: &[u8]) -> Option<i64> {
    let (whole, rest) = text.split_first_chunk::<SECOND_BYTES>()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = *whole
    else {
        return None;
    };
    let rest = rest.strip_suffix(b"Z").unwrap_or(rest);
    let micros = match rest {
        [] => 0,
        [b'.', fraction @ ..] => fraction_micros(fraction)?,
        _ => return None,
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let days = days_since_1970(i64::from(year), two(m1, m2)?, two(d1, d2)?)?;
    seconds_of_day(two(h1, h2)?, two(n1, n2)?, two(s1, s2)?).map(|seconds| (days * 86_400 + seconds) * MICROS + micros)
}

/// What `java.sql.Timestamp.valueOf` reads: `yyyy-[m]m-[d]d hh:mm:ss[.f...]`.
pub(crate) fn micros_of_jdbc(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, fraction_micros(fraction.as_bytes())?),
        None => (time, 0),
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if date.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let days = days_since_1970(i64::from(year), month, day)?;
    Some((days * 86_400 + seconds_of_day(hour, minute, second)?) * MICROS + fraction)
}

/// Three numbers, the latter two of one or two digits.
fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut parts = text.split(separator);
    let mut number = |digits_max: usize| {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        (digits && part.len() <= digits_max).then(|| part.parse().ok())?
    };
    let three = [number(4)?, number(2)?, number(2)?];
    parts.next().is_none().then_some(three)
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(u32::from(tens) * 10 + u32::from(ones))
}

/// Microseconds of one to nine digits behind the point; what is finer is dropped.
fn fraction_micros(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut micros = 0;
    let mut unit = MICROS / 10;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        micros += i64::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some(micros)
}

pub(super) fn seconds_of_day(hour: u32, minute: u32, second: u32) -> Option<i64> {
    let within = hour < 24 && minute < 60 && second < 60;
    within.then(|| i64::from(hour * 3600 + minute * 60 + second))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, or nothing where there is no such day.
///
/// Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, `days_from_civil`.
pub(super) fn days_since_1970(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days_of_month {
        return None;
    }
    let (month, day) = (i64::from(month), i64::from(day));
    // Years that begin in March, so that the leap day is the last.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Where a number is too large for seconds since 1970, which stands for milliseconds from here on.
///
/// Observed on Firehose: 999999999999 is in the year 33658, 1000000000000 in 2001.
const SECONDS_END: i64 = 1_000_000_000_000;

/// Microseconds since 1970 of a whole number of seconds or milliseconds.
pub(crate) fn micros_of_integer(value: i64) -> Option<i64> {
    if value.unsigned_abs() < SECONDS_END as u64 {
        Some(value * MICROS)
    } else {
        value.checked_mul(1_000)
    }
}

/// Microseconds since 1970 of seconds or milliseconds with a fraction.
pub(crate) fn micros_of_number(value: f64) -> Option<i64> {
    let unit = if value.abs() < SECONDS_END as f64 { 1e6 } else { 1e3 };
    let micros = (value * unit).round();
    // The bound itself is one more than there are.
    (micros.abs() < 9_223_372_036_854_775_808.0).then_some(micros as i64)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn days_are_those_of_the_calendar(year in -9_999..20_000_i32, month in 0..14_u32, day in 0..33_u32) {
            let date = NaiveDate::from_ymd_opt(year, month, day);
            let days = date.map(|date| date.signed_duration_since(NaiveDate::default()).num_days());
            prop_assert_eq!(days_since_1970(i64::from(year), month, day), days);
        }

        /// The quick way and the general one say the same wherever the quick one says anything.
        #[test]
        fn the_fixed_layout_is_no_other_reading(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z?",
        ) {
            let utc: Tz = "+00:00".parse().expect("an offset");
            let general = string_to_datetime(&utc, &text).ok().map(|time| time.timestamp_micros());
            if let Some(micros) = micros_of_fixed_layout(text.as_bytes()) {
                prop_assert_eq!(Some(micros), general, "{}", text);
            }
        }
    }
}
