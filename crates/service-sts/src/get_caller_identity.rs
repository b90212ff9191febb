//! GetCallerIdentity: the account and name behind the caller's access key.

use protocol_aws::{AwsError, Empty};
use serde::Serialize;

use crate::Call;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    user_id: String,
    account: String,
    arn: String,
}

pub(crate) async fn handle(call: &Call, _: Empty) -> Result<Output, AwsError> {
    let account = call.scope().account.as_str();
    let key = &call.context().access_key;
    Ok(Output {
        user_id: if key.is_empty() {
            "anonymous".to_owned()
        } else {
            key.clone()
        },
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:root"),
    })
}
