//! ListWorkGroups: all work groups, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::page::{PAGE_MAX, page};
use crate::work_group::WorkGroupSummary;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    work_groups: Vec<WorkGroupSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let groups = call.work_groups(call.scope())?;
    let (groups, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let behind = groups
                .into_iter()
                .filter(|group| after.is_none_or(|after| group.name > *after));
            Ok(behind.take(limit).collect())
        },
        |last| last.name.clone(),
    )?;
    Ok(Output {
        work_groups: groups.into_iter().map(WorkGroupSummary::from).collect(),
        next_token,
    })
}
