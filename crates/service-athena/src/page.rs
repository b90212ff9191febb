//! Page tokens: the key behind which the next page begins, in hexadecimal so that nobody builds on its form.

use protocol_aws::AwsError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors;

/// The most that a page has where a call does not say.
pub(crate) const PAGE_MAX: usize = 50;

/// The items of a page and, where more follow, the token of the next. `read` fetches at most the number that
/// it is given, behind the key that it is given.
pub(crate) fn page<T, K: Serialize + DeserializeOwned>(
    token: Option<&str>,
    size: usize,
    read: impl FnOnce(Option<&K>, usize) -> Result<Vec<T>, AwsError>,
    key: impl FnOnce(&T) -> K,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    // Nothing on a page would be the end, and the rest would never be seen.
    let size = if size == 0 { PAGE_MAX } else { size };
    let after = token.filter(|token| !token.is_empty()).map(decode).transpose()?;
    let mut items = read(after.as_ref(), size + 1)?;
    if items.len() <= size {
        return Ok((items, None));
    }
    items.truncate(size);
    let token = items.last().map(|last| encode(&key(last))).transpose()?;
    Ok((items, token))
}

pub(crate) fn encode<K: Serialize>(key: &K) -> Result<String, AwsError> {
    serde_json::to_vec(key).map(hex::encode).map_err(AwsError::internal)
}

pub(crate) fn decode<K: DeserializeOwned>(token: &str) -> Result<K, AwsError> {
    let bytes = hex::decode(token).ok();
    let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    key.ok_or_else(|| errors::invalid("Invalid token provided"))
}
