//! The catalog that a call is about.

use base::Scope;
use protocol_aws::AwsError;

use crate::Call;

/// The caller's own catalog. Every operation may name it; another account's is out of reach.
pub(crate) fn scope<'c>(call: &'c Call, catalog_id: Option<&str>) -> Result<&'c Scope, AwsError> {
    let own = call.scope();
    match catalog_id {
        Some(id) if id != own.account.as_str() => Err(AwsError::new(
            "EntityNotFoundException",
            format!("Catalog {id} not found."),
        )),
        _ => Ok(own),
    }
}
