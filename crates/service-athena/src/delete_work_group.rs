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
    call.work_group(scope, name)?;
    let used = !call
        .executions
        .list(scope, name, None, 1)
        .map_err(errors::from_meta)?
        .is_empty()
        || call.has_named_queries(scope, name)?;
    if used && input.recursive_delete_option != Some(true) {
        return Err(errors::invalid(format!("WorkGroup {name} is not empty")));
    }
    call.executions.forget(scope, name).await.map_err(errors::from_meta)?;
    call.forget_library(scope, name).await?;
    call.delete_work_group(scope, name).await?;
    Ok(Empty {})
}
