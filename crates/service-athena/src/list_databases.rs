//! ListDatabases: the databases of the catalog, in pages.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::metadata::{DatabaseShape, check_catalog};
use crate::page::{PAGE_MAX, page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_name: String,
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
    check_catalog(&input.catalog_name)?;
    let (found, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let after = after.map(String::as_str);
            call.engine
                .catalog()
                .databases(call.scope(), after, limit)
                .map_err(errors::metadata)
        },
        |last| last.spec.name.clone(),
    )?;
    Ok(Output {
        database_list: found.into_iter().map(DatabaseShape::from).collect(),
        next_token,
    })
}
