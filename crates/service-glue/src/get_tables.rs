//! GetTables: the tables of a database whose names match a pattern, in pages.

use protocol_aws::AwsError;
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors;
use crate::errors::from_catalog;
use crate::page::page;
use crate::shapes::TableShape;

/// The most that a page may have (the model).
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    expression: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    table_list: Vec<TableShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    // The pattern is a regular expression over the whole name.
    let pattern = match input.expression.as_deref().unwrap_or("") {
        "" => None,
        text => {
            let pattern = RegexBuilder::new(&format!("^(?:{text})$"))
                .case_insensitive(true)
                .build();
            Some(pattern.map_err(|_| errors::invalid(format!("Invalid expression: {text}")))?)
        }
    };
    let matches = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let (tables, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&String>, limit| {
            let after = after.map(String::as_str);
            let tables = call
                .catalog
                .tables(scope, &input.database_name, after, limit, |t| matches(&t.spec.name));
            tables.map_err(from_catalog)
        },
        |last| last.spec.name.clone(),
    )?;
    let table_list = tables
        .into_iter()
        .map(|t| TableShape::new(scope.account.as_str(), t))
        .collect();
    Ok(Output { table_list, next_token })
}
