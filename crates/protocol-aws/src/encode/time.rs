//! The forms a timestamp takes on the wire.

use base::Millis;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::model::TimestampFormat;

/// Milliseconds as awsJson's number of seconds.
pub(crate) fn seconds(ms: Millis) -> Value {
    if ms % 1000 == 0 {
        Value::from(ms / 1000)
    } else {
        Value::from(ms as f64 / 1000.0)
    }
}

/// awsJson's number of seconds as milliseconds.
pub(crate) fn millis(value: &Value) -> Option<Millis> {
    match value.as_i64() {
        Some(seconds) => seconds.checked_mul(1000),
        None => Some((value.as_f64()? * 1000.0).round() as Millis),
    }
}

pub(crate) fn parse_iso8601(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp_millis())
}

pub(crate) fn parse_rfc822(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|time| time.timestamp_millis())
}

/// awsJson's number of seconds in another form.
pub(crate) fn format(value: &Value, format: TimestampFormat) -> String {
    let time = millis(value)
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .unwrap_or_default();
    match format {
        TimestampFormat::Unix => value.to_string(),
        TimestampFormat::Iso8601 if time.timestamp_subsec_millis() == 0 => {
            time.to_rfc3339_opts(SecondsFormat::Secs, true)
        }
        TimestampFormat::Iso8601 => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        TimestampFormat::Rfc822 => time.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form() {
        // 2015-08-30T12:36:00Z, the moment of the SigV4 examples.
        let value = seconds(1_440_938_160_000);
        assert_eq!(value.to_string(), "1440938160");
        assert_eq!(format(&value, TimestampFormat::Iso8601), "2015-08-30T12:36:00Z");
        assert_eq!(format(&value, TimestampFormat::Rfc822), "Sun, 30 Aug 2015 12:36:00 GMT");
        let value = seconds(1_440_938_160_123);
        assert_eq!(value.to_string(), "1440938160.123");
        assert_eq!(millis(&value), Some(1_440_938_160_123));
        assert_eq!(format(&value, TimestampFormat::Iso8601), "2015-08-30T12:36:00.123Z");
        assert_eq!(parse_iso8601("2015-08-30T12:36:00.123Z"), Some(1_440_938_160_123));
        assert_eq!(parse_rfc822("Sun, 30 Aug 2015 12:36:00 GMT"), Some(1_440_938_160_000));
    }
}
