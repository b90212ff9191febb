//! Instants as s3s has them.

use std::time::{Duration, UNIX_EPOCH};

use base::Millis;
use s3s::dto::{Timestamp, TimestampFormat};

pub(crate) fn timestamp(ms: Millis) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(ms.max(0) as u64))
}

/// To the second, as Last-Modified gives it and conditions compare it.
pub(crate) fn timestamp_seconds(ms: Millis) -> Timestamp {
    timestamp(ms - ms.rem_euclid(1_000))
}

/// As the Expires header has it.
pub(crate) fn to_http_date(timestamp: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    timestamp.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

pub(crate) fn from_http_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}
