//! StartQueryExecution: accepts a statement and runs it in the background.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Call;
use crate::errors;
use crate::executions::{Execution, Request, State, Statistics, Submitted};
use crate::runner::{self, Job};
use crate::work_group::PRIMARY;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueryContext {
    database: Option<String>,
    catalog: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_string: String,
    client_request_token: Option<String>,
    query_execution_context: Option<QueryContext>,
    result_configuration: Option<Map<String, Value>>,
    work_group: Option<String>,
    execution_parameters: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    query_execution_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = call.scope();
    let work_group = call.work_group(scope, input.work_group.as_deref().unwrap_or(PRIMARY))?;
    if !work_group.enabled {
        return Err(errors::invalid(format!("WorkGroup {} is disabled.", work_group.name)));
    }
    let mut result_configuration = work_group.result_configuration();
    if !work_group.enforces() {
        // What the client does not say is as the group has it.
        result_configuration.extend(input.result_configuration.unwrap_or_default());
    }
    let (bucket, prefix) = output_location(&result_configuration)?;
    let context = input.query_execution_context.unwrap_or_default();
    let request = Request {
        query: input.query_string,
        work_group: work_group.name.clone(),
        database: context.database.clone(),
        catalog: context.catalog.clone(),
        output: format!("s3://{bucket}/{prefix}"),
        parameters: input.execution_parameters.unwrap_or_default(),
        result_configuration,
    };
    let text = call.statement_text(scope, &request).await?;
    let statement = call
        .engine
        .parse(&text)
        .await
        .map_err(|error| errors::malformed(&error))?;
    let id = call.random.uuid().to_string();
    let extension = if statement.statement_type() == "DML" {
        "csv"
    } else {
        "txt"
    };
    let execution = Execution {
        output_key: format!("{prefix}{id}.{extension}"),
        output_bucket: bucket,
        statement_type: statement.statement_type().to_owned(),
        substatement_type: statement.substatement_type().to_owned(),
        state: State::Queued,
        reason: None,
        failure: None,
        submitted_ms: call.clock.now_ms(),
        completed_ms: None,
        statistics: Statistics::default(),
        columns: Vec::new(),
        token: input.client_request_token,
        request,
        id: id.clone(),
    };
    let submitted = call.executions.submit(scope, execution.clone()).await;
    let (submitted, cancel) = submitted.map_err(errors::from_meta)?;
    let query_execution_id = match submitted {
        Submitted::Repeated(earlier) => earlier,
        Submitted::Conflict => return Err(errors::invalid("Idempotent parameters do not match")),
        Submitted::TooMany => return Err(errors::too_many_queries()),
        Submitted::New => {
            let job = Job {
                scope: scope.clone(),
                execution,
                statement,
                cutoff_bytes: work_group.cutoff_bytes(),
                cancel,
            };
            call.tasks.spawn(runner::run(call.state().clone(), job));
            id
        }
    };
    Ok(Output { query_execution_id })
}

/// The bucket and the key prefix, which is empty or ends with a slash.
fn output_location(configuration: &Map<String, Value>) -> Result<(String, String), AwsError> {
    let Some(location) = configuration.get("OutputLocation").and_then(Value::as_str) else {
        return Err(errors::invalid(
            "No output location provided. An output location is required either through the Workgroup result \
             configuration setting or as an API input.",
        ));
    };
    let rest = location
        .strip_prefix("s3://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    match rest {
        Some((bucket, prefix)) if !bucket.is_empty() => {
            let slash = if prefix.is_empty() || prefix.ends_with('/') {
                ""
            } else {
                "/"
            };
            Ok((bucket.to_owned(), format!("{prefix}{slash}")))
        }
        _ => Err(errors::invalid("outputLocation is not a valid S3 path.")),
    }
}
