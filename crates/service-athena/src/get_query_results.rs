//! GetQueryResults: a page of a query's rows; a header stands on the first page of a SELECT.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::executions::State;
use crate::results::Place;
use crate::shapes::{ColumnShape, Datum, ResultSet, ResultSetMetadata, RowShape};
use crate::{errors, page, results};

/// The most rows that a page may have (the model).
const ROWS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    query_execution_id: String,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    update_count: i64,
    result_set: ResultSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let found = call
        .executions
        .get(call.scope(), &input.query_execution_id)
        .map_err(errors::from_meta)?;
    let execution = found.ok_or_else(|| errors::no_execution(&input.query_execution_id))?;
    match execution.state {
        State::Succeeded => {}
        State::Queued | State::Running => {
            let state = execution.state.as_str();
            return Err(errors::invalid(format!(
                "Query has not yet finished. Current state: {state}"
            )));
        }
        State::Failed | State::Cancelled => {
            let state = execution.state.as_str();
            return Err(errors::invalid(format!(
                "Query did not finish successfully. Final query state: {state}"
            )));
        }
    }
    let from = match input.next_token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => page::decode(token)?,
        None => Place { byte: 0 },
    };
    let limit = input.max_results.unwrap_or(ROWS_MAX);
    let found = results::page(&call.objects, call.scope(), &execution, from, limit).await?;
    let rows = found.rows.into_iter().map(|cells| RowShape {
        data: cells
            .into_iter()
            .map(|var_char_value| Datum { var_char_value })
            .collect(),
    });
    let rows: Vec<_> = rows.collect();
    let column_info = execution.columns.iter().map(ColumnShape::from).collect();
    let next_token = found.next.map(|place| page::encode(&place)).transpose()?;
    Ok(Output {
        update_count: 0,
        result_set: ResultSet {
            rows,
            result_set_metadata: ResultSetMetadata { column_info },
        },
        next_token,
    })
}
