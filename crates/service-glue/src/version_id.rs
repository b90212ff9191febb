//! Table versions as the API writes them.

use protocol_aws::AwsError;

use crate::errors;

pub(crate) fn parse(version_id: &str) -> Result<u64, AwsError> {
    version_id
        .parse()
        .map_err(|_| errors::invalid(format!("Invalid version id: {version_id}")))
}
