//! What a resource ARN of the catalog names.

use base::{Arn, Scope};
use engine_catalog::Tagged;
use protocol_aws::AwsError;

use crate::{Call, errors};

/// `arn:aws:glue:region:account:database/name` or `..:table/database/name`, in the caller's own catalog.
pub(crate) fn tagged<'c>(call: &'c Call, arn: &str) -> Result<(&'c Scope, Tagged), AwsError> {
    let scope = call.scope();
    let parsed: Option<Arn> = arn.parse().ok();
    let own = parsed.filter(|arn| arn.service == "glue" && arn.scope().as_ref() == Some(scope));
    let own = own.ok_or_else(|| errors::invalid(format!("Invalid resource ARN: {arn}")))?;
    let tagged = match own.resource.split('/').collect::<Vec<_>>().as_slice() {
        ["database", database] => Tagged::Database((*database).to_owned()),
        ["table", database, table] => Tagged::Table {
            database: (*database).to_owned(),
            table: (*table).to_owned(),
        },
        _ => {
            return Err(AwsError::new(
                "EntityNotFoundException",
                format!("Resource {arn} not found."),
            ));
        }
    };
    Ok((scope, tagged))
}
