//! Conditional requests (S3 User Guide, "Conditional requests"; RFC 9110, section 13).

use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use store_objects::{Condition, EtagMatch, ObjectInfo};

use crate::time::{timestamp_seconds, to_http_date};

/// The four conditions of a read or of a copy's source.
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Which failed: the first element for those that mean 412, the second for those that mean 304 on reads.
    fn failed(&self, info: &ObjectInfo) -> (bool, bool) {
        let modified = timestamp_seconds(info.modified_ms);
        // An ETag condition outweighs the date condition beside it.
        let precondition = match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) => !matches(wanted, &info.etag),
            (None, Some(since)) => modified > *since,
            (None, None) => false,
        };
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(unwanted), _) => matches(unwanted, &info.etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        (precondition, unchanged)
    }

    pub(crate) fn check_read(&self, info: &ObjectInfo) -> S3Result<()> {
        match self.failed(info) {
            (true, _) => Err(precondition_failed()),
            (_, true) => Err(not_modified(info)),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_copy_source(&self, info: &ObjectInfo) -> S3Result<()> {
        match self.failed(info) {
            (false, false) => Ok(()),
            _ => Err(precondition_failed()),
        }
    }
}

/// The conditions of a write.
pub(crate) fn write_condition(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Condition {
    let convert = |condition| match condition {
        ETagCondition::Any => EtagMatch::Any,
        ETagCondition::ETag(tag) => EtagMatch::Tag(tag.value().to_owned()),
    };
    Condition {
        if_match: if_match.map(convert),
        if_none_match: if_none_match.map(convert),
    }
}

/// The conditions of a write whose input, as the library reads it, lacks them.
pub(crate) fn write_condition_of(headers: &HeaderMap) -> S3Result<Condition> {
    let condition = |name: header::HeaderName| {
        let Some(value) = headers.get(&name) else {
            return Ok(None);
        };
        match ETagCondition::parse_http_header(value.as_bytes()) {
            Ok(condition) => Ok(Some(condition)),
            Err(_) => Err(s3_error!(InvalidArgument, "The {name} header is no ETag")),
        }
    };
    Ok(write_condition(
        condition(header::IF_MATCH)?,
        condition(header::IF_NONE_MATCH)?,
    ))
}

pub(crate) fn etag(info: &ObjectInfo) -> ETag {
    ETag::Strong(info.etag.clone())
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == etag,
    }
}

fn precondition_failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

/// A 304 carries the headers by which the client knows its copy.
fn not_modified(info: &ObjectInfo) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", info.etag)) {
        headers.insert(header::ETAG, value);
    }
    let modified = to_http_date(&timestamp_seconds(info.modified_ms)).and_then(|date| HeaderValue::try_from(date).ok());
    if let Some(value) = modified {
        headers.insert(header::LAST_MODIFIED, value);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}
