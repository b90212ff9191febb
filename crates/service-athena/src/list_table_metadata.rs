//! ListTableMetadata: the tables of a database whose names match a pattern, in pages.

use protocol_aws::AwsError;
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::metadata::{TableMetadata, check_catalog};
use crate::page::{PAGE_MAX, page};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_name: String,
    database_name: String,
    expression: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table_metadata_list: Vec<TableMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    check_catalog(&input.catalog_name)?;
    let pattern = match input.expression.as_deref().unwrap_or("") {
        "" => None,
        text => {
            let pattern = RegexBuilder::new(&format!("^(?:{text})$"))
                .case_insensitive(true)
                .build();
            Some(pattern.map_err(|_| errors::invalid(format!("Invalid expression: {text}")))?)
        }
    };
    let (found, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let matches = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
            let (scope, database, after) = (call.scope(), &input.database_name, after.map(String::as_str));
            let tables = call
                .engine
                .catalog()
                .tables(scope, database, after, limit, |table| matches(&table.spec.name));
            tables.map_err(errors::metadata)
        },
        |last| last.spec.name.clone(),
    )?;
    Ok(Output {
        table_metadata_list: found.into_iter().map(TableMetadata::from).collect(),
        next_token,
    })
}
