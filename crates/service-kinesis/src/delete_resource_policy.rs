//! DeleteResourcePolicy: removes the policy of a stream or a consumer.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::policy_not_found;
use crate::resource::{Own, Resource};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    let missing = policy_not_found(&input.resource_arn);
    let change = |own: Own<'_>| own.policy.take().map(drop).ok_or(missing);
    resource.change(call, change).await?;
    Ok(Empty {})
}
