//! ListTagsForDeliveryStream: a delivery stream's tags by key, page by page.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::tags::Tag;
use crate::{Call, errors};

const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    exclusive_start_tag_key: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
    has_more_tags: bool,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let (scope, name) = (call.scope(), &input.delivery_stream_name);
    let delivery = call
        .deliveries
        .get(scope, name)
        .map_err(|error| errors::from_delivery(scope, name, error))?;
    let after = input.exclusive_start_tag_key.as_ref();
    let mut rest = delivery
        .tags
        .iter()
        .filter(|(key, _)| after.is_none_or(|after| *key > after));
    let shown = rest.by_ref().take(input.limit.unwrap_or(LIMIT_DEFAULT));
    let tags = shown.map(|(key, value)| Tag {
        key: key.clone(),
        value: Some(value.clone()),
    });
    Ok(Output {
        tags: tags.collect(),
        has_more_tags: rest.next().is_some(),
    })
}
