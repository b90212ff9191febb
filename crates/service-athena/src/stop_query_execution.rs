//! StopQueryExecution: asks a query to stop; one that has ended stays as it is.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_execution_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let found = call
        .executions
        .get(call.scope(), &input.query_execution_id)
        .map_err(errors::from_meta)?;
    let execution = found.ok_or_else(|| errors::no_execution(&input.query_execution_id))?;
    call.executions.cancel(&execution.id);
    Ok(Empty {})
}
