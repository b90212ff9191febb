//! StartStreamEncryption: encrypts the records that come from now on, or changes the key.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors::{self, ChangeError, invalid_argument};
use crate::shapes::{active, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    pub(crate) encryption_type: String,
    key_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    input.change(call, true).await
}

impl Input {
    /// Sets or removes the stream's key.
    pub(crate) async fn change(self, call: &Call, is_encrypted: bool) -> Result<Empty, AwsError> {
        let id = named(call.scope(), self.stream_name.as_deref(), self.stream_arn.as_deref())?;
        if self.encryption_type != "KMS" {
            return Err(invalid_argument("EncryptionType must be KMS."));
        }
        if is_encrypted {
            call.streams
                .check_key(&id.scope, &self.key_id)
                .map_err(errors::key_unusable)?;
        }
        let changed = call.streams.alter_info(&id, move |info| {
            active(info)?;
            info.encryption_key = is_encrypted.then_some(self.key_id);
            Ok::<_, ChangeError>(())
        });
        changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
        Ok(Empty {})
    }
}
