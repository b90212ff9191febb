//! Values that compare by the type of their key.

use std::cmp::Ordering;

use crate::{HiveType, NULL_PARTITION};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Integer(i128),
    Number(f64),
    /// Milliseconds since the epoch, for dates too.
    Time(i64),
    Boolean(bool),
}

impl Literal {
    /// The value that `text` has as a `key_type`; `None` for NULL and for text that is no such value.
    pub(super) fn of_type(text: &str, key_type: &HiveType) -> Option<Self> {
        if text == NULL_PARTITION {
            return None;
        }
        match key_type {
            HiveType::Date | HiveType::Timestamp => time_ms(text).map(Self::Time),
            HiveType::Boolean if text.eq_ignore_ascii_case("true") => Some(Self::Boolean(true)),
            HiveType::Boolean if text.eq_ignore_ascii_case("false") => Some(Self::Boolean(false)),
            HiveType::Boolean => None,
            numeric if numeric.is_numeric() => Self::number(text),
            _ => Some(Self::Text(text.to_owned())),
        }
    }

    fn number(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.parse() {
            Ok(integer) => Some(Self::Integer(integer)),
            Err(_) => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Number),
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Number(b)) => (*a as f64).partial_cmp(b),
            (Self::Number(a), Self::Integer(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// `2013-01-31`, `2013-01-31 23:59:59` or with up to nine digits of a second's fraction, UTC, in milliseconds.
fn time_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.trim().split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text.trim(), None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let mut ms = days_from_civil(year, month, day) * 86_400_000;
    if let Some(time) = time {
        let (clock, fraction) = time
            .trim_end_matches('Z')
            .split_once('.')
            .unwrap_or((time.trim_end_matches('Z'), "0"));
        let mut parts = clock.split(':');
        let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        let second = parts.next().map_or(Some(0), |text| number(text, 2))?;
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let thousandths = format!("{:0<3}", fraction.get(..3.min(fraction.len()))?);
        ms += (hour * 3_600 + minute * 60 + second) * 1_000 + number(&thousandths, 3)?;
    }
    Some(ms)
}

fn number(text: &str, digits_max: usize) -> Option<i64> {
    let well_formed = (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if well_formed { text.parse().ok() } else { None }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch in the proleptic Gregorian calendar, by counting years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expect) in [
            ("1970-01-01", Some(0)),
            ("2000-03-01", Some(951_868_800_000)),
            ("2013-01-31 23:59:59.5", Some(1_359_676_799_500)),
            ("2013-02-29", None),
            ("2013-1-1", Some(1_356_998_400_000)),
            ("2013-01-01 24:00:00", None),
            ("2013-01", None),
            ("", None),
        ] {
            assert_eq!(time_ms(text), expect, "{text}");
        }
    }
}
