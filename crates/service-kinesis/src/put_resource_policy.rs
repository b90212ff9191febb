//! PutResourcePolicy: keeps a policy with a stream or a consumer.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::invalid_argument;
use crate::resource::{Own, Resource};

/// As the service documents for its policies.
const POLICY_BYTES_MAX: usize = 20 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    policy: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let resource = Resource::parse(call.scope(), &input.resource_arn)?;
    let document: Option<serde_json::Value> = serde_json::from_str(&input.policy).ok();
    if !document.is_some_and(|document| document["Statement"].is_array() || document["Statement"].is_object()) {
        return Err(invalid_argument("The policy is not a JSON document with statements."));
    }
    if input.policy.len() > POLICY_BYTES_MAX {
        return Err(invalid_argument(format!(
            "The policy is longer than {POLICY_BYTES_MAX} bytes."
        )));
    }
    let change = |own: Own<'_>| {
        *own.policy = Some(input.policy);
        Ok(())
    };
    resource.change(call, change).await?;
    Ok(Empty {})
}
