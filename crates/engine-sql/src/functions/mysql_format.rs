//! MySQL's date patterns, which `date_parse` and `date_format` take.
//!
//! Source: Trino documentation, "Date and time functions", MySQL date functions.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Formats a time; `None` where the pattern has a specifier that the dialect has not.
pub(super) fn format(time: NaiveDateTime, pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let twelve = (time.hour() + 11) % 12 + 1;
        let half = if time.hour() < 12 { "AM" } else { "PM" };
        let written = match chars.next()? {
            'a' => write!(out, "{}", time.format("%a")),
            'b' => write!(out, "{}", time.format("%b")),
            'c' => write!(out, "{}", time.month()),
            'd' => write!(out, "{:02}", time.day()),
            'e' => write!(out, "{}", time.day()),
            'f' => write!(out, "{:06}", time.nanosecond() / 1_000),
            'H' => write!(out, "{:02}", time.hour()),
            'h' | 'I' => write!(out, "{twelve:02}"),
            'i' => write!(out, "{:02}", time.minute()),
            'j' => write!(out, "{:03}", time.ordinal()),
            'k' => write!(out, "{}", time.hour()),
            'l' => write!(out, "{twelve}"),
            'M' => write!(out, "{}", time.format("%B")),
            'm' => write!(out, "{:02}", time.month()),
            'p' => write!(out, "{half}"),
            'r' => write!(out, "{twelve:02}:{:02}:{:02} {half}", time.minute(), time.second()),
            'S' | 's' => write!(out, "{:02}", time.second()),
            'T' => write!(out, "{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second()),
            'v' => write!(out, "{:02}", time.iso_week().week()),
            'W' => write!(out, "{}", time.format("%A")),
            'x' => write!(out, "{}", time.iso_week().year()),
            'Y' => write!(out, "{:04}", time.year()),
            'y' => write!(out, "{:02}", time.year().rem_euclid(100)),
            '%' => write!(out, "%"),
            _ => return None,
        };
        written.ok()?;
    }
    Some(out)
}

/// Parses a time; what the pattern does not name is that of 1970-01-01 00:00:00.
pub(super) fn parse(text: &str, pattern: &str) -> Option<NaiveDateTime> {
    let (mut year, mut month, mut day, mut ordinal) = (1970, 1, 1, None);
    let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
    let mut afternoon = None;
    let mut rest = text;
    let expanded = pattern.replace("%T", "%H:%i:%s").replace("%r", "%h:%i:%s %p");
    let mut chars = expanded.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            rest = rest.strip_prefix(c)?;
            continue;
        }
        match chars.next()? {
            'Y' => year = number(&mut rest, 4)? as i32,
            'y' => {
                let short = number(&mut rest, 2)? as i32;
                year = if short < 70 { 2000 + short } else { 1900 + short };
            }
            'm' | 'c' => month = number(&mut rest, 2)?,
            'd' | 'e' => day = number(&mut rest, 2)?,
            'j' => ordinal = Some(number(&mut rest, 3)?),
            'H' | 'k' | 'h' | 'I' | 'l' => hour = number(&mut rest, 2)?,
            'i' => minute = number(&mut rest, 2)?,
            's' | 'S' => second = number(&mut rest, 2)?,
            'f' => {
                let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let fraction = &rest[..digits.min(9)];
                nanos = fraction.parse::<u32>().ok()? * 10_u32.pow(9 - fraction.len() as u32);
                rest = &rest[digits..];
            }
            'p' => {
                let (half, after) = rest.split_at_checked(2)?;
                afternoon = Some(match half.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                rest = after;
            }
            'b' | 'M' => month = name(&mut rest, &MONTHS)? + 1,
            'a' | 'W' => _ = name(&mut rest, &DAYS)?,
            '%' => rest = rest.strip_prefix('%')?,
            _ => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let date = match ordinal {
        Some(ordinal) => NaiveDate::from_yo_opt(year, ordinal)?,
        None => NaiveDate::from_ymd_opt(year, month, day)?,
    };
    Some(date.and_time(NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

fn number(rest: &mut &str, digits_max: usize) -> Option<u32> {
    let digits = rest.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.parse().ok()
}

/// A whole name or its first three letters.
fn name(rest: &mut &str, names: &[&str]) -> Option<u32> {
    let lower = rest.to_ascii_lowercase();
    let found = |length: fn(&str) -> usize| {
        names
            .iter()
            .position(|name| lower.starts_with(&name[..length(name)]))
            .map(|at| (at, length(names[at])))
    };
    let (at, length) = found(str::len).or_else(|| found(|_| 3))?;
    *rest = rest.get(length..)?;
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_both_ways() {
        for (text, pattern, expect) in [
            ("2013-01-31 23:59:58", "%Y-%m-%d %H:%i:%s", "2013-01-31 23:59:58"),
            ("31/Jan/2013:01:02:03", "%d/%b/%Y:%T", "2013-01-31 01:02:03"),
            (
                "Thursday, January 31 2013 11:59:58 PM",
                "%W, %M %d %Y %r",
                "2013-01-31 23:59:58",
            ),
            ("20130131", "%Y%m%d", "2013-01-31 00:00:00"),
            ("13 031", "%y %j", "2013-01-31 00:00:00"),
        ] {
            let time = parse(text, pattern).expect(text);
            assert_eq!(time.format("%Y-%m-%d %H:%M:%S").to_string(), expect);
            assert_eq!(format(time, pattern).as_deref(), Some(text), "{pattern}");
        }
        assert_eq!(parse("2013-02-30", "%Y-%m-%d"), None);
        assert_eq!(parse("2013-02-03 x", "%Y-%m-%d"), None);
        assert_eq!(parse("0.25", "%s.%f").map(|t| t.nanosecond()), Some(250_000_000));
    }
}
