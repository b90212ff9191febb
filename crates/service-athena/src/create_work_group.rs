//! CreateWorkGroup: makes a work group.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Call;
use crate::tags::Tag;
use crate::work_group::WorkGroup;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    configuration: Option<Map<String, Value>>,
    description: Option<String>,
    tags: Option<Vec<Tag>>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = call.scope();
    let group = WorkGroup::new(
        &input.name,
        input.description,
        input.configuration.unwrap_or_default(),
        call.clock.now_ms(),
    );
    let tags = input.tags.into_iter().flatten().map(|tag| (tag.key, tag.value));
    call.create_work_group(scope, group, tags.collect()).await?;
    Ok(Empty {})
}
