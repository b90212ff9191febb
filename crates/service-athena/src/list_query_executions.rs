//! ListQueryExecutions: the ids of a work group's queries, newest first, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::page::{PAGE_MAX, page};
use crate::work_group::PRIMARY;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    next_token: Option<String>,
    max_results: Option<usize>,
    work_group: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    query_execution_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = call.scope();
    let group = call
        .work_group(scope, input.work_group.as_deref().unwrap_or(PRIMARY))?
        .name;
    let (found, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&(u64, String)>, limit| {
            call.executions
                .list(scope, &group, after, limit)
                .map_err(errors::from_meta)
        },
        Clone::clone,
    )?;
    Ok(Output {
        query_execution_ids: found.into_iter().map(|(_, id)| id).collect(),
        next_token,
    })
}
