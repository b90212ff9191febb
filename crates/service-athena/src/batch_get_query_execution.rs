//! BatchGetQueryExecution: several queries; those that are missing are named.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::shapes::QueryExecution;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_execution_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    query_execution_id: String,
    error_code: &'static str,
    error_message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    query_executions: Vec<QueryExecution>,
    unprocessed_query_execution_ids: Vec<Unprocessed>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let mut output = Output {
        query_executions: Vec::new(),
        unprocessed_query_execution_ids: Vec::new(),
    };
    for query_execution_id in input.query_execution_ids {
        match call
            .executions
            .get(call.scope(), &query_execution_id)
            .map_err(errors::from_meta)?
        {
            Some(execution) => output.query_executions.push(execution.into()),
            None => output.unprocessed_query_execution_ids.push(Unprocessed {
                error_code: "INVALID_QUERY_EXECUTION_ID",
                error_message: format!("QueryExecution {query_execution_id} was not found"),
                query_execution_id,
            }),
        }
    }
    Ok(output)
}
