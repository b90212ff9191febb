//! The rules that both retention operations share.

use protocol_aws::AwsError;

use crate::errors::invalid_argument;

const HOURS_MIN: i64 = 24;
const HOURS_MAX: i64 = 8760;

/// The hours asked for, if a stream can have them.
pub(crate) fn checked(hours: i64) -> Result<u32, AwsError> {
    if hours < HOURS_MIN {
        let message = format!(
            "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period ({hours} hours) is too short."
        );
        return Err(invalid_argument(message));
    }
    if hours > HOURS_MAX {
        let message = format!(
            "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period ({hours} hours) is too long."
        );
        return Err(invalid_argument(message));
    }
    Ok(hours as u32)
}
