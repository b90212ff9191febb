//! GetQueryExecution: one query with its state and statistics.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::shapes::QueryExecution;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_execution_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    query_execution: QueryExecution,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let found = call
        .executions
        .get(call.scope(), &input.query_execution_id)
        .map_err(errors::from_meta)?;
    let execution = found.ok_or_else(|| errors::no_execution(&input.query_execution_id))?;
    Ok(Output {
        query_execution: QueryExecution::from(execution),
    })
}
