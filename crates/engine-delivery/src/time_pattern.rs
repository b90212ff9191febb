//! Java's DateTimeFormatter patterns, as far as they print dates and times.
//!
//! Source: the documentation of `java.time.format.DateTimeFormatter`. Letters are fields, text in single quotes
//! and other characters stand for themselves, two single quotes are one.

use base::Millis;
use chrono::{DateTime, Datelike, Timelike};
use chrono_tz::Tz;

/// A moment in a zone; milliseconds since the epoch that no calendar has become its beginning.
pub(crate) fn in_zone(time_ms: Millis, zone: Tz) -> DateTime<Tz> {
    DateTime::from_timestamp_millis(time_ms)
        .unwrap_or_default()
        .with_timezone(&zone)
}

/// Prints `time` by `pattern`; an unknown letter is an error that names it.
pub(crate) fn format(pattern: &str, time: DateTime<Tz>) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = quoted(&rest[1..], &mut out)?;
        } else if first.is_ascii_alphabetic() {
            let count = rest.chars().take_while(|c| *c == first).count();
            field(first, count, time, &mut out)?;
            rest = &rest[count..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out)
}

/// What stands behind an opening quote; returns the rest behind the closing one.
fn quoted<'p>(text: &'p str, out: &mut String) -> Result<&'p str, String> {
    if let Some(rest) = text.strip_prefix('\'') {
        out.push('\'');
        return Ok(rest);
    }
    let mut rest = text;
    loop {
        let end = rest
            .find('\'')
            .ok_or_else(|| format!("a quote is not closed in {text:?}"))?;
        out.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                out.push('\'');
                rest = after;
            }
            None => return Ok(rest),
        }
    }
}

fn field(letter: char, count: usize, time: DateTime<Tz>, out: &mut String) -> Result<(), String> {
    let hour12 = if time.hour().is_multiple_of(12) {
        12
    } else {
        time.hour() % 12
    };
    let number = match letter {
        'y' | 'u' | 'Y' if count == 2 => i64::from(time.year().rem_euclid(100)),
        'y' | 'u' => i64::from(time.year()),
        'Y' => i64::from(time.iso_week().year()),
        'M' | 'L' if count >= 3 => {
            let name = time.format(if count == 3 { "%b" } else { "%B" });
            out.push_str(&name.to_string());
            return Ok(());
        }
        'M' | 'L' => i64::from(time.month()),
        'd' => i64::from(time.day()),
        'D' => i64::from(time.ordinal()),
        'w' => i64::from(time.iso_week().week()),
        'E' => {
            let name = time.format(if count <= 3 { "%a" } else { "%A" });
            out.push_str(&name.to_string());
            return Ok(());
        }
        'e' | 'c' => i64::from(time.weekday().number_from_monday()),
        'a' => {
            out.push_str(if time.hour() < 12 { "AM" } else { "PM" });
            return Ok(());
        }
        'H' => i64::from(time.hour()),
        'k' => i64::from(if time.hour() == 0 { 24 } else { time.hour() }),
        'K' => i64::from(time.hour() % 12),
        'h' => i64::from(hour12),
        'm' => i64::from(time.minute()),
        's' => i64::from(time.second()),
        'S' => {
            let nanos = format!("{:09}", time.nanosecond() % 1_000_000_000);
            out.push_str(&nanos[..count.min(9)]);
            return Ok(());
        }
        'n' => i64::from(time.nanosecond()),
        'V' => {
            out.push_str(time.timezone().name());
            return Ok(());
        }
        'z' => {
            out.push_str(&time.format("%Z").to_string());
            return Ok(());
        }
        'Z' => {
            out.push_str(&time.format("%z").to_string());
            return Ok(());
        }
        'x' | 'X' => {
            let offset = time.format("%:z").to_string();
            let utc = letter == 'X' && offset == "+00:00";
            out.push_str(if utc { "Z" } else { &offset });
            return Ok(());
        }
        other => return Err(format!("the pattern letter {other:?} is not known")),
    };
    out.push_str(&format!("{number:0count$}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, expect: &str) {
        let zone: Tz = "America/New_York".parse().expect("a zone");
        // 2013-02-03T17:06:09.045Z is 12:06 in New York.
        let time = zone.timestamp_millis_opt(1_359_911_169_045).single().expect("a time");
        assert_eq!(
            format(pattern, time).unwrap_or_else(|error| format!("error: {error}")),
            expect,
            "{pattern}"
        );
    }

    // Expected values follow the tables of the class documentation.
    #[test]
    fn fields() {
        check("yyyy/MM/dd/HH/", "2013/02/03/12/");
        check("'year='yyyy'/month='MM", "year=2013/month=02");
        check("yy-M-d h:mm:ss a", "13-2-3 12:06:09 PM");
        check("DDD", "034");
        check("MMM MMMM E EEEE", "Feb February Sun Sunday");
        check("SSS", "045");
        check("o''clock", "error: the pattern letter 'o' is not known");
        check("'o''clock'", "o'clock");
        check("''", "'");
        check("XXX", "-05:00");
        check("'open", "error: a quote is not closed in \"open\"");
    }
}
