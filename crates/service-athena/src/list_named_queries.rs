//! ListNamedQueries: the ids of a work group's named queries, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::NAMED_QUERIES;
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
    named_query_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = call.scope();
    let group = call
        .work_group(scope, input.work_group.as_deref().unwrap_or(PRIMARY))?
        .name;
    let (named_query_ids, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let after = after.map(|id| (scope.clone(), id.clone()));
            let mut ids = Vec::new();
            let visited = call.meta.read(|s| {
                s.visit(&NAMED_QUERIES, &(scope.clone(),), after.as_ref(), |_, query| {
                    if query.work_group == group {
                        ids.push(query.named_query_id);
                    }
                    ids.len() < limit
                })
            });
            visited.map(|()| ids).map_err(errors::from_meta)
        },
        Clone::clone,
    )?;
    Ok(Output {
        named_query_ids,
        next_token,
    })
}
