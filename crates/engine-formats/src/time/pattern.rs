//! Timestamps in forms of the user's own, as the Hive JSON SerDe takes them.
//!
//! Sources: Joda-Time, class DateTimeFormat (letters and what they accept); Hive's TimestampParser (fields that are
//! not there are those of 1970-01-01T00:00:00 UTC, and all of the text must be used).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, TimeZone, Weekday};
use serde::{Deserialize, Serialize};

use super::text::{days_since_1970, seconds_of_day};

/// Names the form of milliseconds since 1970.
const MILLIS: &str = "millis";
/// Years of two digits lie between this one and 99 later. Joda-Time has them from 80 years before the day it runs,
/// by which the same text would mean another year each year.
const TWO_DIGIT_YEARS_BEGIN: i64 = 1946;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern of Joda-Time's DateTimeFormat, such as `yyyy-MM-dd'T'HH:mm:ss.SSS`, or `millis`.
///
/// The letters G, x, w, e, E, Y, y, D, M, d, a, K, h, H, k, m, s, S and Z are known; names of time zones (z) cannot be
/// read, which they cannot in Joda-Time either, and neither can centuries (C).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimestampFormat {
    pattern: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a timestamp format: {reason}")]
pub struct InvalidTimestampFormat {
    pub pattern: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Millis,
    Literal(String),
    /// A number of at most so many digits, perhaps with a sign.
    Number(Field, usize, bool),
    /// A year of two digits; any other number of digits is the year itself, where those may be.
    TwoDigitYear(Field, bool),
    /// Digits behind the point of the second, at most so many.
    Fraction(usize),
    Month,
    DayOfWeek,
    Era,
    HalfOfDay,
    /// Such as `+01:00`, `+0100`, `+01` or `Z`.
    Offset,
    /// Such as `Europe/Vienna`.
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    YearOfEra,
    WeekYear,
    Week,
    DayOfWeek,
    DayOfYear,
    Month,
    Day,
    HourOfHalf,
    ClockHourOfHalf,
    Hour,
    ClockHour,
    Minute,
    Second,
}

impl FromStr for TimestampFormat {
    type Err = InvalidTimestampFormat;

    fn from_str(pattern: &str) -> Result<Self, InvalidTimestampFormat> {
        let parts = if pattern == MILLIS {
            Ok(vec![Part::Millis])
        } else {
            parts_of(pattern)
        };
        let invalid = |reason| InvalidTimestampFormat {
            pattern: pattern.to_owned(),
            reason,
        };
        Ok(Self {
            pattern: pattern.to_owned(),
            parts: parts.map_err(invalid)?,
        })
    }
}

impl TryFrom<String> for TimestampFormat {
    type Error = InvalidTimestampFormat;

    fn try_from(pattern: String) -> Result<Self, InvalidTimestampFormat> {
        pattern.parse()
    }
}

impl From<TimestampFormat> for String {
    fn from(format: TimestampFormat) -> Self {
        format.pattern
    }
}

impl fmt::Display for TimestampFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl PartialEq for TimestampFormat {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

/// A run of one letter or a literal.
enum Token {
    Letters(char, usize),
    Literal(String),
}

fn parts_of(pattern: &str) -> Result<Vec<Part>, String> {
    let tokens = tokens_of(pattern)?;
    let part = |(index, token): (usize, &Token)| {
        let (letter, count) = match token {
            Token::Literal(text) => return Ok(Part::Literal(text.clone())),
            Token::Letters(letter, count) => (*letter, *count),
        };
        // Digits that belong to the next number must be left to it.
        let digits_follow = tokens.get(index + 1).is_some_and(is_number);
        let year = |field, signed| match count {
            2 => Part::TwoDigitYear(field, !digits_follow),
            _ => Part::Number(field, if digits_follow { count } else { 9 }, signed),
        };
        Ok(match letter {
            'G' => Part::Era,
            'Y' => year(Field::YearOfEra, false),
            'y' => year(Field::Year, true),
            'x' => year(Field::WeekYear, true),
            'w' => Part::Number(Field::Week, 2, false),
            'e' => Part::Number(Field::DayOfWeek, 1, false),
            'E' => Part::DayOfWeek,
            'D' => Part::Number(Field::DayOfYear, 3, false),
            'M' if count >= 3 => Part::Month,
            'M' => Part::Number(Field::Month, 2, false),
            'd' => Part::Number(Field::Day, 2, false),
            'a' => Part::HalfOfDay,
            'K' => Part::Number(Field::HourOfHalf, 2, false),
            'h' => Part::Number(Field::ClockHourOfHalf, 2, false),
            'H' => Part::Number(Field::Hour, 2, false),
            'k' => Part::Number(Field::ClockHour, 2, false),
            'm' => Part::Number(Field::Minute, 2, false),
            's' => Part::Number(Field::Second, 2, false),
            'S' => Part::Fraction(count),
            'Z' if count >= 3 => Part::Zone,
            'Z' => Part::Offset,
            'z' => return Err("names of time zones (z) cannot be read; Z stands for offsets".to_owned()),
            'C' => return Err("centuries (C) are not read".to_owned()),
            other => {
                return Err(format!(
                    "the letter {other} stands for nothing; literals stand in single quotes"
                ));
            }
        })
    };
    tokens.iter().enumerate().map(part).collect()
}

fn is_number(token: &Token) -> bool {
    match token {
        Token::Letters('M', count) => *count <= 2,
        Token::Letters(letter, _) => "CxyYdhHmsSeDwkK".contains(*letter),
        Token::Literal(_) => false,
    }
}

fn tokens_of(pattern: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() {
            let after = rest.trim_start_matches(first);
            tokens.push(Token::Letters(first, rest.len() - after.len()));
            rest = after;
            continue;
        }
        let mut literal = String::new();
        while let Some(next) = rest.chars().next().filter(|next| !next.is_ascii_alphabetic()) {
            rest = &rest[next.len_utf8()..];
            if next != '\'' {
                literal.push(next);
                continue;
            }
            if let Some(after) = rest.strip_prefix('\'') {
                literal.push('\'');
                rest = after;
                continue;
            }
            loop {
                let (text, after) = rest.split_once('\'').ok_or("a single quote is not closed")?;
                literal.push_str(text);
                rest = after;
                // A doubled quote is one quote, and does not close.
                match rest.strip_prefix('\'') {
                    Some(after) => {
                        literal.push('\'');
                        rest = after;
                    }
                    None => break,
                }
            }
        }
        tokens.push(Token::Literal(literal));
    }
    if tokens.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(tokens)
}

/// What was read of a text so far.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    before_christ: bool,
    week_year: Option<i64>,
    week: Option<u32>,
    day_of_week: Option<u32>,
    day_of_year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    afternoon: bool,
    minute: u32,
    second: u32,
    micros: i64,
    offset_seconds: i64,
    zone: Option<chrono_tz::Tz>,
}

impl TimestampFormat {
    /// Microseconds since 1970 of a text that has this form.
    pub(crate) fn micros(&self, text: &str) -> Option<i64> {
        if self.parts == [Part::Millis] {
            return micros_of_millis(text);
        }
        let mut fields = Fields::default();
        let mut rest = text;
        for part in &self.parts {
            rest = part.read(rest, &mut fields)?;
        }
        if rest.is_empty() { fields.micros() } else { None }
    }
}

impl Part {
    /// Reads the part off the text's beginning and returns what is behind it.
    fn read<'t>(&self, text: &'t str, fields: &mut Fields) -> Option<&'t str> {
        match self {
            Self::Millis => None,
            Self::Literal(literal) => {
                let here = text.get(..literal.len())?;
                here.eq_ignore_ascii_case(literal).then(|| &text[literal.len()..])
            }
            Self::Number(field, digits_max, signed) => {
                let (value, _, rest) = number(text, *digits_max, *signed)?;
                fields.set(*field, value)?;
                Some(rest)
            }
            Self::TwoDigitYear(field, lenient) => {
                let (value, digits, rest) = number(text, if *lenient { 9 } else { 2 }, *lenient)?;
                let signed = text.starts_with(['+', '-']);
                let year = match (digits, signed) {
                    (2, false) => TWO_DIGIT_YEARS_BEGIN + (value - TWO_DIGIT_YEARS_BEGIN).rem_euclid(100),
                    _ if *lenient => value,
                    _ => return None,
                };
                fields.set(*field, year)?;
                Some(rest)
            }
            Self::Fraction(digits_max) => {
                let (digits, rest) = split_digits(text, *digits_max);
                let first = digits.get(..6).unwrap_or(digits);
                let scale = 10_i64.pow(6_u32.checked_sub(first.len() as u32)?);
                fields.micros = first.parse::<i64>().ok()? * scale;
                Some(rest)
            }
            Self::Month => {
                let (month, rest) = name(text, &MONTHS)?;
                fields.month = Some(month);
                Some(rest)
            }
            Self::DayOfWeek => {
                let (day, rest) = name(text, &DAYS)?;
                fields.day_of_week = Some(day);
                Some(rest)
            }
            Self::Era => {
                let (era, rest) = name(text, &["BCE", "CE", "BC", "AD"])?;
                fields.before_christ = era % 2 == 1;
                Some(rest)
            }
            Self::HalfOfDay => {
                let (half, rest) = name(text, &["AM", "PM"])?;
                fields.afternoon = half == 2;
                Some(rest)
            }
            Self::Offset => {
                let (seconds, rest) = offset(text)?;
                fields.offset_seconds = seconds;
                Some(rest)
            }
            Self::Zone => {
                let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "/_+-".contains(c)));
                let (zone, rest) = text.split_at(end.unwrap_or(text.len()));
                fields.zone = Some(zone.parse().ok()?);
                Some(rest)
            }
        }
    }
}

impl Fields {
    fn set(&mut self, field: Field, value: i64) -> Option<()> {
        let small = || u32::try_from(value).ok();
        let within = |least: i64, most: i64| (least..=most).contains(&value).then_some(value as u32);
        match field {
            Field::Year | Field::YearOfEra => self.year = Some(value),
            Field::WeekYear => self.week_year = Some(value),
            Field::Week => self.week = Some(small()?),
            Field::DayOfWeek => self.day_of_week = Some(within(1, 7)?),
            Field::DayOfYear => self.day_of_year = Some(small()?),
            Field::Month => self.month = Some(small()?),
            Field::Day => self.day = Some(small()?),
            Field::HourOfHalf => self.hour = within(0, 11)?,
            Field::ClockHourOfHalf => self.hour = within(1, 12)? % 12,
            Field::Hour => self.hour = within(0, 23)?,
            Field::ClockHour => self.hour = within(1, 24)? % 24,
            Field::Minute => self.minute = small()?,
            Field::Second => self.second = small()?,
        }
        Some(())
    }

    fn micros(&self) -> Option<i64> {
        let hour = self.hour + if self.afternoon && self.hour < 12 { 12 } else { 0 };
        let seconds = self.days()? * 86_400 + seconds_of_day(hour, self.minute, self.second)?;
        let utc = match self.zone {
            Some(zone) => {
                let local = DateTime::from_timestamp(seconds, 0)?.naive_utc();
                zone.from_local_datetime(&local).earliest()?.timestamp()
            }
            None => seconds - self.offset_seconds,
        };
        utc.checked_mul(1_000_000)?.checked_add(self.micros)
    }

    fn days(&self) -> Option<i64> {
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => 1970,
        };
        if self.week.is_some() || self.week_year.is_some() {
            let monday_based = self.day_of_week.unwrap_or(1) - 1;
            let day = Weekday::try_from(u8::try_from(monday_based).ok()?).ok()?;
            let year = i32::try_from(self.week_year.unwrap_or(year)).ok()?;
            let date = NaiveDate::from_isoywd_opt(year, self.week.unwrap_or(1), day)?;
            return Some(date.signed_duration_since(NaiveDate::default()).num_days());
        }
        if let Some(day) = self.day_of_year {
            let date = NaiveDate::from_yo_opt(i32::try_from(year).ok()?, day)?;
            return Some(date.signed_duration_since(NaiveDate::default()).num_days());
        }
        days_since_1970(year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

/// A number, how many digits it has, and what is behind it.
fn number(text: &str, digits_max: usize, signed: bool) -> Option<(i64, usize, &str)> {
    let unsigned = if signed {
        text.strip_prefix(['+', '-']).unwrap_or(text)
    } else {
        text
    };
    let (digits, rest) = split_digits(unsigned, digits_max);
    let value: i64 = digits.parse().ok()?;
    let negative = signed && text.starts_with('-');
    Some((if negative { -value } else { value }, digits.len(), rest))
}

fn split_digits(text: &str, digits_max: usize) -> (&str, &str) {
    let digits = text.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

/// Which of the names, or of their first three letters, the text begins with, counted from 1.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(u32, &'t str)> {
    let begins = |name: &str| {
        let here = text.get(..name.len())?;
        here.eq_ignore_ascii_case(name).then(|| &text[name.len()..])
    };
    names.iter().zip(1..).find_map(|(name, number)| {
        let rest = begins(name).or_else(|| begins(name.get(..3)?))?;
        Some((number, rest))
    })
}

/// Seconds east of Greenwich.
fn offset(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, digits, rest) = number(text.strip_prefix(['+', '-'])?, 2, false)?;
    if digits != 2 || hours > 23 {
        return None;
    }
    let minutes = number(rest.strip_prefix(':').unwrap_or(rest), 2, false);
    let (minutes, rest) = match minutes {
        Some((minutes @ 0..60, 2, rest)) => (minutes, rest),
        Some(_) => return None,
        None => (0, rest),
    };
    Some((sign * (hours * 3600 + minutes * 60), rest))
}

/// Microseconds of milliseconds, which may have a fraction.
fn micros_of_millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "000"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || fraction.is_empty() || !digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = fraction
        .bytes()
        .chain([b'0'; 3])
        .take(3)
        .fold(0, |all, digit| all * 10 + i64::from(digit - b'0'));
    let whole: i64 = whole.parse().ok()?;
    let signed = if text.starts_with('-') { -micros } else { micros };
    whole.checked_mul(1_000)?.checked_add(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Joda-Time says was found by its documentation of each letter.
    #[test]
    fn texts_are_read_by_their_pattern() {
        for (pattern, text, expected) in [
            (
                "yyyy-MM-dd'T'HH:mm:ss",
                "2013-01-31T05:06:07",
                Some("2013-01-31T05:06:07"),
            ),
            ("yyyy-MM-dd'T'HH:mm:ss", "2013-1-3T5:6:7", Some("2013-01-03T05:06:07")),
            (
                "yyyy-MM-dd'T'HH:mm:ss",
                "2013-01-31t05:06:07",
                Some("2013-01-31T05:06:07"),
            ),
            ("yyyy-MM-dd'T'HH:mm:ss", "2013-01-31 05:06:07", None),
            ("yyyy-MM-dd'T'HH:mm:ss", "2013-01-31T05:06:07Z", None),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSS",
                "2013-01-31T05:06:07.123456789",
                Some("2013-01-31T05:06:07.123456"),
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSS",
                "2013-01-31T05:06:07.5",
                Some("2013-01-31T05:06:07.500"),
            ),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2013-01-31T05:06:07.1234", None),
            ("yyyyMMddHHmmss", "20130131050607", Some("2013-01-31T05:06:07")),
            ("yyyyMMdd", "20130231", None),
            (
                "dd/MMM/yyyy:HH:mm:ss Z",
                "31/Jan/2013:05:06:07 +0130",
                Some("2013-01-31T03:36:07"),
            ),
            (
                "dd/MMM/yyyy:HH:mm:ss Z",
                "31/january/2013:05:06:07 -08:00",
                Some("2013-01-31T13:06:07"),
            ),
            ("yyyy-MM-dd'T'HH:mmZZ", "2013-01-31T05:06Z", Some("2013-01-31T05:06:00")),
            (
                "yyyy-MM-dd HH:mm ZZZ",
                "2013-07-31 05:06 Europe/Vienna",
                Some("2013-07-31T03:06:00"),
            ),
            ("yyyy-MM-dd HH:mm ZZZ", "2013-07-31 05:06 Nowhere", None),
            (
                "EEE, d MMM yyyy h:mm a",
                "Thu, 31 Jan 2013 5:06 PM",
                Some("2013-01-31T17:06:00"),
            ),
            (
                "EEEE d MMMM yyyy hh:mm a",
                "thursday 31 january 2013 12:06 am",
                Some("2013-01-31T00:06:00"),
            ),
            ("yyyy-MM-dd KK:mm a", "2013-01-31 00:06 PM", Some("2013-01-31T12:06:00")),
            ("yyyy-MM-dd kk:mm", "2013-01-31 24:06", Some("2013-01-31T00:06:00")),
            ("yyyy-MM-dd HH:mm", "2013-01-31 24:06", None),
            ("dd.MM.yy", "31.01.13", Some("2013-01-31T00:00:00")),
            ("dd.MM.yy", "31.01.46", Some("1946-01-31T00:00:00")),
            ("dd.MM.yy", "31.01.45", Some("2045-01-31T00:00:00")),
            ("dd.MM.yy", "31.01.2013", Some("2013-01-31T00:00:00")),
            ("yyMMdd", "130131", Some("2013-01-31T00:00:00")),
            ("yyyy-DDD", "2012-366", Some("2012-12-31T00:00:00")),
            ("yyyy-DDD", "2013-366", None),
            ("xxxx-'W'ww-e", "2009-W01-1", Some("2008-12-29T00:00:00")),
            ("HH:mm", "05:06", Some("1970-01-01T05:06:00")),
            ("yyyy G", "1 BC", Some("0000-01-01T00:00:00")),
            ("h 'o''clock' a", "5 o'clock PM", Some("1970-01-01T17:00:00")),
            ("''yyyy''", "'2013'", Some("2013-01-01T00:00:00")),
            ("yyyy年M月d日", "2013年1月31日", Some("2013-01-31T00:00:00")),
            ("y", "-5", Some("-0005-01-01T00:00:00")),
            ("millis", "1359608767123", Some("2013-01-31T05:06:07.123")),
            ("millis", "1359608767123.4567", Some("2013-01-31T05:06:07.123456")),
            ("millis", "-1.5", Some("1969-12-31T23:59:59.998500")),
            ("millis", "1e3", None),
            ("millis", "", None),
            ("millis", "99999999999999999999", None),
        ] {
            let format: TimestampFormat = pattern.parse().expect("a format");
            let micros = format.micros(text);
            let shown = micros.map(|micros| {
                let time = DateTime::from_timestamp_micros(micros).expect("a time");
                time.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
            });
            assert_eq!(shown.as_deref(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for (pattern, reason) in [
            ("", "it is empty"),
            (
                "yyyy-MM-ddTHH:mm",
                "the letter T stands for nothing; literals stand in single quotes",
            ),
            ("yyyy 'and", "a single quote is not closed"),
            (
                "HH:mm z",
                "names of time zones (z) cannot be read; Z stands for offsets",
            ),
            ("CCyy", "centuries (C) are not read"),
        ] {
            let refused = pattern.parse::<TimestampFormat>().expect_err(pattern);
            assert_eq!(refused.reason, reason, "{pattern}");
        }
        let stored: TimestampFormat = serde_json::from_str("\"yyyy-MM-dd\"").expect("a format");
        assert_eq!(serde_json::to_string(&stored).expect("serializes"), "\"yyyy-MM-dd\"");
        assert!(serde_json::from_str::<TimestampFormat>("\"T\"").is_err());
    }
}
