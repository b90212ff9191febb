//! UpdateAccountSettings: begins or ends the account's commitment to a minimum throughput.

use protocol_aws::AwsError;
use serde::Deserialize;

use crate::Call;
use crate::account::{Account, Output};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    minimum_throughput_billing_commitment: Commitment,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Commitment {
    status: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let is_enabled = input.minimum_throughput_billing_commitment.status == "ENABLED";
    let account = Account::commit(call, is_enabled).await?;
    Ok(account.describe(call.clock.now_ms()))
}
