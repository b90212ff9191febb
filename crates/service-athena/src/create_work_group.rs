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
    call.create_work_group(scope, group).await?;
    if let Some(tags) = input.tags.filter(|tags| !tags.is_empty()) {
        let resource = format!("workgroup/{}", input.name);
        call.update_tags(scope, &resource, move |all| {
            all.extend(tags.into_iter().map(|tag| (tag.key, tag.value)))
        })
        .await?;
    }
    Ok(Empty {})
}
