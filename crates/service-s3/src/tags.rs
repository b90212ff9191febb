//! Tag sets: at most ten on an object, fifty on a bucket (S3 User Guide, "Categorizing your objects using tags").

use percent_encoding::percent_decode_str;
use s3s::dto::{Tag, TagSet};
use s3s::{S3Result, s3_error};
use store_objects::Tags;

use crate::errors;

pub(crate) const OBJECT_TAGS_MAX: usize = 10;
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
/// In characters.
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

pub(crate) fn from_set(set: TagSet, max: usize) -> S3Result<Tags> {
    let pairs = set
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    checked(pairs, max)
}

/// The x-amz-tagging header: `key=value&key=value`, form-encoded.
pub(crate) fn from_header(header: Option<String>) -> S3Result<Tags> {
    let header = header.unwrap_or_default();
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned())
    };
    let mut pairs = Vec::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decode(key), decode(value)) {
            (Ok(key), Ok(value)) => pairs.push((key, value)),
            _ => {
                return Err(s3_error!(
                    InvalidArgument,
                    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
                ));
            }
        }
    }
    checked(pairs.into_iter(), OBJECT_TAGS_MAX)
}

pub(crate) fn to_set(tags: Tags) -> TagSet {
    tags.into_iter()
        .map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        })
        .collect()
}

fn checked(pairs: impl Iterator<Item = (String, String)>, max: usize) -> S3Result<Tags> {
    let mut tags = Tags::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > KEY_MAX {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > VALUE_MAX {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(s3_error!(
                InvalidTag,
                "System tags cannot be added/updated by requester"
            ));
        }
        if tags.insert(key, value).is_some() {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    if tags.len() > max {
        let text = format!("Object tags cannot be greater than {max}");
        return Err(errors::custom("BadRequest", http::StatusCode::BAD_REQUEST, text));
    }
    Ok(tags)
}
