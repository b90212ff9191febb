//! EnableEnhancedMonitoring: switches shard-level metrics on.

use protocol_aws::AwsError;

use crate::Call;
use crate::monitoring::{Change, Input, Output};

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    input.change(call, Change::Enable).await
}
