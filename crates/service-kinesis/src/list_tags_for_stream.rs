//! ListTagsForStream: a stream's tags by key, page by page.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::tags::{self, Tag};

const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
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
    let stream = call.stream(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let after = input.exclusive_start_tag_key.as_ref();
    let mut rest = stream
        .tags
        .iter()
        .filter(|(key, _)| after.is_none_or(|after| *key > after));
    let tags = tags::list(rest.by_ref().take(input.limit.unwrap_or(LIMIT_DEFAULT)));
    Ok(Output {
        tags,
        has_more_tags: rest.next().is_some(),
    })
}
