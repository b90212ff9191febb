//! GetResourcePolicy: the policy kept with a stream or a consumer.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors::policy_not_found;
use crate::resource::Resource;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    let policy = resource.read(call, |stream| stream.policy.clone(), |consumer| consumer.policy.clone())?;
    Ok(Output {
        policy: policy.ok_or_else(|| policy_not_found(&input.resource_arn))?,
    })
}
