//! The rules and steps that all tag operations share.

use std::collections::BTreeMap;

use base::Scope;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::errors::{limit_exceeded, pattern};
use crate::{Call, errors};

const TAGS_MAX: usize = 50;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

/// The tags of a delivery stream with `added` put to them.
pub(crate) fn add(
    scope: &Scope,
    name: &str,
    tags: &BTreeMap<String, String>,
    added: Vec<Tag>,
) -> Result<BTreeMap<String, String>, AwsError> {
    for (index, tag) in added.iter().enumerate() {
        if tag.key.starts_with("aws:") || !tag.key.chars().all(allowed) {
            let path = format!("tags.{}.member.key", index + 1);
            return Err(pattern(&tag.key, &path, r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$"));
        }
    }
    let mut tags = tags.clone();
    tags.extend(added.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())));
    if tags.len() > TAGS_MAX {
        return Err(limit_exceeded(format!(
            "Failed to add tags to Firehose {name} under account {} because a given Firehose cannot have more than \
             {TAGS_MAX} tags associated with it.",
            scope.account
        )));
    }
    Ok(tags)
}

fn allowed(letter: char) -> bool {
    letter.is_alphanumeric() || (letter.is_whitespace() && !letter.is_control()) || "_.:/=+-@%".contains(letter)
}

/// Puts what `change` makes of a delivery stream's tags in their place.
pub(crate) async fn change(
    call: &Call,
    name: &str,
    change: impl FnOnce(&BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError>,
) -> Result<(), AwsError> {
    let failed = |error| errors::from_delivery(call.scope(), name, error);
    let _tagging = call.tagging.lock().await;
    let delivery = call.deliveries.get(call.scope(), name).map_err(failed)?;
    let tags = change(&delivery.tags)?;
    call.deliveries.set_tags(call.scope(), name, tags).await.map_err(failed)
}
