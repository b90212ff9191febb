//! The rules and steps that all tag operations share.

use std::collections::BTreeMap;

use base::Scope;
use engine_log::streams::TIER_TAG;
use protocol_aws::AwsError;
use serde::Serialize;

use crate::Call;
use crate::errors::invalid_argument;
use crate::resource::{Own, Resource};

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
    if let Some(hours) = added.get(TIER_TAG)
        && hours.parse::<u32>().is_err()
    {
        return Err(invalid_argument(format!(
            "{failed} because the value of {TIER_TAG} must be a whole number of hours: {hours:?}."
        )));
    }
    if total > TAGS_MAX {
        let message =
            format!("{failed} because a given stream cannot have more than {TAGS_MAX} tags associated with it.");
        return Err(invalid_argument(message));
    }
    Ok(())
}

pub(crate) async fn add(call: &Call, resource: Resource, added: BTreeMap<String, String>) -> Result<(), AwsError> {
    let (scope, name) = (call.scope().clone(), resource.name().to_owned());
    let change = move |own: Own<'_>| {
        let mut tags = own.tags.clone();
        tags.extend(added.clone());
        check(&scope, &name, &added, tags.len())?;
        *own.tags = tags;
        Ok(())
    };
    resource.change(call, change).await
}

pub(crate) async fn remove(call: &Call, resource: Resource, keys: Vec<String>) -> Result<(), AwsError> {
    let change = move |own: Own<'_>| {
        own.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    };
    resource.change(call, change).await
}
