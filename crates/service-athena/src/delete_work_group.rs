//! DeleteWorkGroup: removes a work group; with its queries if asked.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors;
use crate::work_group::PRIMARY;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    work_group: String,
    recursive_delete_option: Option<bool>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, name) = (call.scope(), &input.work_group);
    if name == PRIMARY {
        return Err(errors::invalid("The primary workgroup cannot be deleted."));
    }
    let recursive = input.recursive_delete_option == Some(true);
    call.delete_work_group(scope, name, recursive).await?;
    Ok(Empty {})
}
