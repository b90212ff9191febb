//! GetTableVersions: the versions of a table, newest first, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::page::page;
use crate::shapes::TableVersionShape;

/// The most that a page may have (the model).
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table_versions: Vec<TableVersionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (versions, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |before: Option<&u64>, limit| {
            let (database, table) = (&input.database_name, &input.table_name);
            call.catalog
                .table_versions(scope, database, table, before.copied(), limit)
                .map_err(from_catalog)
        },
        |last| last.version,
    )?;
    let table_versions = versions
        .into_iter()
        .map(|t| TableVersionShape::new(scope.account.as_str(), t))
        .collect();
    Ok(Output {
        table_versions,
        next_token,
    })
}
