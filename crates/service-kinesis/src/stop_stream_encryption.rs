//! StopStreamEncryption: leaves the records that come from now on as they are; those before stay encrypted.

use protocol_aws::{AwsError, Empty};

use crate::Call;
use crate::start_stream_encryption::Input;

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    input.change(call, false).await
}
