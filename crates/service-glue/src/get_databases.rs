//! GetDatabases: all databases, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::page::page;
use crate::shapes::DatabaseShape;

/// The most that a page may have (the model).
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    database_list: Vec<DatabaseShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (databases, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            call.catalog
                .databases(scope, after.map(String::as_str), limit)
                .map_err(from_catalog)
        },
        |last| last.spec.name.clone(),
    )?;
    let database_list = databases
        .into_iter()
        .map(|d| DatabaseShape::new(scope.account.as_str(), d))
        .collect();
    Ok(Output {
        database_list,
        next_token,
    })
}
