//! The rules and steps that all tag operations share.

use std::collections::BTreeMap;

use base::Scope;
use engine_log::streams::StreamId;
use protocol_aws::AwsError;
use serde::Serialize;

use crate::Call;
use crate::errors::{ChangeError, invalid_argument};

const TAGS_MAX: usize = 50;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

pub(crate) fn list<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Vec<Tag> {
    tags.into_iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// Checks tags that are to be added to a stream, which then has `total`.
pub(crate) fn check(
    scope: &Scope,
    stream: &str,
    added: &BTreeMap<String, String>,
    total: usize,
) -> Result<(), AwsError> {
    let failed = format!("Failed to add tags to stream {stream} under account {}", scope.account);
    if added.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid_argument(format!(
            "{failed} because tag keys starting with 'aws:' are reserved."
        )));
    }
    if total > TAGS_MAX {
        let message =
            format!("{failed} because a given stream cannot have more than {TAGS_MAX} tags associated with it.");
        return Err(invalid_argument(message));
    }
    Ok(())
}

pub(crate) async fn add(call: &Call, id: &StreamId, added: BTreeMap<String, String>) -> Result<(), AwsError> {
    let changed = call.streams.update(id, move |info| {
        let mut tags = info.tags.clone();
        tags.extend(added.clone());
        check(&info.id.scope, &info.id.name, &added, tags.len()).map_err(ChangeError::Refused)?;
        info.tags = tags;
        Ok::<_, ChangeError>(())
    });
    changed
        .await
        .map(drop)
        .map_err(|error| error.answer(call.scope(), &id.name))
}

pub(crate) async fn remove(call: &Call, id: &StreamId, keys: Vec<String>) -> Result<(), AwsError> {
    let changed = call.streams.update(id, move |info| {
        info.tags.retain(|key, _| !keys.contains(key));
        Ok::<_, ChangeError>(())
    });
    changed
        .await
        .map(drop)
        .map_err(|error| error.answer(call.scope(), &id.name))
}
