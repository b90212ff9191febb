//! The rules and steps that all tag operations share.

use std::collections::BTreeMap;

use base::Scope;
use engine_delivery::DeliveryError;
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

/// Puts tags to those of a delivery stream.
pub(crate) fn add(
    scope: &Scope,
    name: &str,
    tags: &mut BTreeMap<String, String>,
    added: Vec<Tag>,
) -> Result<(), AwsError> {
    for (index, tag) in added.iter().enumerate() {
        if tag.key.starts_with("aws:") || !tag.key.chars().all(allowed) {
            let path = format!("tags.{}.member.key", index + 1);
            return Err(pattern(&tag.key, &path, r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$"));
        }
    }
    tags.extend(added.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())));
    if tags.len() > TAGS_MAX {
        return Err(limit_exceeded(format!(
            "Failed to add tags to Firehose {name} under account {} because a given Firehose cannot have more than \
             {TAGS_MAX} tags associated with it.",
            scope.account
        )));
    }
    Ok(())
}

fn allowed(letter: char) -> bool {
    letter.is_alphanumeric() || (letter.is_whitespace() && !letter.is_control()) || "_.:/=+-@%".contains(letter)
}

/// Why tags stay as they were.
pub(crate) enum Unchanged {
    Refused(AwsError),
    Failed(DeliveryError),
}

impl From<DeliveryError> for Unchanged {
    fn from(error: DeliveryError) -> Self {
        Self::Failed(error)
    }
}

/// Changes the tags of a delivery stream, by one caller at a time.
pub(crate) async fn change(
    call: &Call,
    name: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), AwsError> + Send + 'static,
) -> Result<(), AwsError> {
    let change = |tags: &mut BTreeMap<String, String>| change(tags).map_err(Unchanged::Refused);
    let changed = call.deliveries.change_tags(call.scope(), name, change).await;
    changed.map_err(|unchanged| match unchanged {
        Unchanged::Refused(error) => error,
        Unchanged::Failed(error) => errors::from_delivery(call.scope(), name, error),
    })
}
