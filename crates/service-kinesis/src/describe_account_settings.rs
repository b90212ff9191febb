//! DescribeAccountSettings: the account's commitment to a minimum throughput.

use protocol_aws::{AwsError, Empty};

use crate::Call;
use crate::account::{Account, Output};

pub(crate) async fn handle(call: &Call, _: Empty) -> Result<Output, AwsError> {
    Ok(Account::read(call)?.describe(call.clock.now_ms()))
}
