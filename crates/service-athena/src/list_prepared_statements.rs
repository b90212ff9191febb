//! ListPreparedStatements: the prepared statements of a work group, in pages.

use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::{PREPARED, PreparedStatement};
use crate::page::{PAGE_MAX, page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    work_group: String,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    statement_name: String,
    last_modified_time: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    prepared_statements: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = call.scope();
    let group = call.work_group(scope, &input.work_group)?.name;
    let (found, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let after = after.map(|name| (scope.clone(), group.clone(), name.clone()));
            let found = call
                .meta
                .read(|s| s.scan(&PREPARED, &(scope.clone(), group.clone()), after.as_ref(), limit));
            Ok(found
                .map_err(errors::from_meta)?
                .into_iter()
                .map(|(_, statement)| statement)
                .collect())
        },
        |last: &PreparedStatement| last.name.clone(),
    )?;
    let summary = |statement: PreparedStatement| Summary {
        statement_name: statement.name,
        last_modified_time: Timestamp(statement.modified_ms),
    };
    Ok(Output {
        prepared_statements: found.into_iter().map(summary).collect(),
        next_token,
    })
}
