//! Server-side encryption of direct puts: which key a caller means, and how it is described.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::errors::invalid_argument;

const AWS_OWNED: &str = "AWS_OWNED_CMK";
const CUSTOMER_MANAGED: &str = "CUSTOMER_MANAGED_CMK";
/// What the service's own key is called here.
const AWS_OWNED_KEY: &str = "alias/aws/firehose";

/// DeliveryStreamEncryptionConfigurationInput.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EncryptionInput {
    #[serde(rename = "KeyARN")]
    key_arn: Option<String>,
    key_type: String,
}

impl Default for EncryptionInput {
    fn default() -> Self {
        Self {
            key_arn: None,
            key_type: AWS_OWNED.to_owned(),
        }
    }
}

impl EncryptionInput {
    pub(crate) fn key(self) -> Result<String, AwsError> {
        match (self.key_type.as_str(), self.key_arn) {
            (AWS_OWNED, None) => Ok(AWS_OWNED_KEY.to_owned()),
            (AWS_OWNED, Some(_)) => Err(invalid_argument(
                "KeyARN can only be specified when KeyType is CUSTOMER_MANAGED_CMK.",
            )),
            (_, Some(key)) => Ok(key),
            (_, None) => Err(invalid_argument(
                "KeyARN is required when KeyType is CUSTOMER_MANAGED_CMK.",
            )),
        }
    }
}

/// DeliveryStreamEncryptionConfiguration. Changes are done when they are answered, so no state between is seen.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EncryptionDescription {
    #[serde(rename = "KeyARN", skip_serializing_if = "Option::is_none")]
    key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_type: Option<&'static str>,
    status: &'static str,
}

impl EncryptionDescription {
    pub(crate) fn of(key: Option<String>) -> Self {
        match key {
            None => Self {
                key_arn: None,
                key_type: None,
                status: "DISABLED",
            },
            Some(key) if key == AWS_OWNED_KEY => Self {
                key_arn: None,
                key_type: Some(AWS_OWNED),
                status: "ENABLED",
            },
            Some(key) => Self {
                key_arn: Some(key),
                key_type: Some(CUSTOMER_MANAGED),
                status: "ENABLED",
            },
        }
    }
}
