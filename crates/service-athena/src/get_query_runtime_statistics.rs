//! GetQueryRuntimeStatistics: a query's times and sizes.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Call;
use crate::errors;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_execution_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    query_runtime_statistics: Value,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let found = call
        .executions
        .get(call.scope(), &input.query_execution_id)
        .map_err(errors::from_meta)?;
    let execution = found.ok_or_else(|| errors::no_execution(&input.query_execution_id))?;
    let statistics = execution.statistics;
    Ok(Output {
        query_runtime_statistics: json!({
            "Timeline": {
                "QueryQueueTimeInMillis": statistics.queue_ms,
                "ServicePreProcessingTimeInMillis": 0,
                "QueryPlanningTimeInMillis": statistics.planning_ms,
                "EngineExecutionTimeInMillis": statistics.engine_ms,
                "ServiceProcessingTimeInMillis": statistics.service_ms,
                "TotalExecutionTimeInMillis": statistics.total_ms,
            },
            "Rows": {
                "InputBytes": statistics.scanned_bytes,
                "OutputBytes": statistics.output_bytes,
                "OutputRows": statistics.output_rows,
            },
        }),
    })
}
