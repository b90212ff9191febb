//! What several operations answer with.

use protocol_aws::{AwsError, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::executions::{Column, Execution};
use crate::library::PreparedStatement;
use crate::work_group::ENGINE_VERSION;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueryExecution {
    query_execution_id: String,
    query: String,
    statement_type: String,
    substatement_type: String,
    result_configuration: Map<String, Value>,
    result_reuse_configuration: Value,
    query_execution_context: Context,
    status: Status,
    statistics: Value,
    work_group: String,
    engine_version: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    execution_parameters: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_change_reason: Option<String>,
    submission_date_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    athena_error: Option<Value>,
}

impl From<Execution> for QueryExecution {
    fn from(execution: Execution) -> Self {
        let location = execution.output_url();
        let request = execution.request;
        let mut result_configuration = request.result_configuration;
        result_configuration.insert("OutputLocation".to_owned(), location.into());
        let statistics = execution.statistics;
        let athena_error = execution.failure.map(|failure| {
            json!({
                "ErrorCategory": failure.category,
                "ErrorType": failure.kind,
                "Retryable": failure.retryable,
                "ErrorMessage": failure.message,
            })
        });
        Self {
            query_execution_id: execution.id,
            query: request.query,
            statement_type: execution.statement_type,
            substatement_type: execution.substatement_type,
            result_configuration,
            result_reuse_configuration: json!({ "ResultReuseByAgeConfiguration": { "Enabled": false } }),
            query_execution_context: Context {
                database: request.database,
                catalog: request.catalog,
            },
            status: Status {
                state: execution.state.as_str(),
                state_change_reason: execution.reason,
                submission_date_time: Timestamp(execution.submitted_ms),
                completion_date_time: execution.completed_ms.map(Timestamp),
                athena_error,
            },
            statistics: json!({
                "EngineExecutionTimeInMillis": statistics.engine_ms,
                "DataScannedInBytes": statistics.scanned_bytes,
                "TotalExecutionTimeInMillis": statistics.total_ms,
                "QueryQueueTimeInMillis": statistics.queue_ms,
                "ServicePreProcessingTimeInMillis": 0,
                "QueryPlanningTimeInMillis": statistics.planning_ms,
                "ServiceProcessingTimeInMillis": statistics.service_ms,
                "ResultReuseInformation": { "ReusedPreviousResult": false },
            }),
            work_group: request.work_group,
            engine_version: json!({ "SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": ENGINE_VERSION }),
            execution_parameters: request.parameters,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Datum {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) var_char_value: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RowShape {
    pub(crate) data: Vec<Datum>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResultSet {
    pub(crate) rows: Vec<RowShape>,
    pub(crate) result_set_metadata: ResultSetMetadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResultSetMetadata {
    pub(crate) column_info: Vec<ColumnShape>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ColumnShape {
    catalog_name: &'static str,
    schema_name: &'static str,
    table_name: &'static str,
    name: String,
    label: String,
    #[serde(rename = "Type")]
    type_name: String,
    precision: i32,
    scale: i32,
    nullable: &'static str,
    case_sensitive: bool,
}

impl From<&Column> for ColumnShape {
    fn from(column: &Column) -> Self {
        Self {
            catalog_name: "hive",
            schema_name: "",
            table_name: "",
            name: column.name.clone(),
            label: column.name.clone(),
            type_name: column.type_name.clone(),
            precision: column.precision,
            scale: column.scale,
            nullable: "UNKNOWN",
            case_sensitive: column.case_sensitive,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PreparedShape {
    statement_name: String,
    query_statement: String,
    work_group_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    last_modified_time: Timestamp,
}

impl From<PreparedStatement> for PreparedShape {
    fn from(statement: PreparedStatement) -> Self {
        Self {
            statement_name: statement.name,
            query_statement: statement.query,
            work_group_name: statement.work_group,
            description: statement.description,
            last_modified_time: Timestamp(statement.modified_ms),
        }
    }
}

pub(crate) fn prepared_not_found(name: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("PreparedStatement {name} was not found"),
    )
    .with("ResourceName", name.to_owned())
}
