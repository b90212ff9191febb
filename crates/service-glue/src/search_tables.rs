//! SearchTables: tables of every database by text and properties, in pages.

use engine_catalog::Table;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::page::page;
use crate::shapes::TableShape;

/// The most that a page may have (the model).
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: Option<String>,
    value: Option<String>,
    comparator: Option<String>,
}

impl Filter {
    fn holds(&self, table: &Table) -> bool {
        let (Some(key), Some(expected)) = (&self.key, &self.value) else {
            return true;
        };
        let Some(actual) = property(table, key) else {
            return false;
        };
        let order = actual.to_lowercase().cmp(&expected.to_lowercase());
        match self.comparator.as_deref() {
            Some("GREATER_THAN") => order.is_gt(),
            Some("LESS_THAN") => order.is_lt(),
            Some("GREATER_THAN_EQUALS") => order.is_ge(),
            Some("LESS_THAN_EQUALS") => order.is_le(),
            // The service compares words of a text, a substring being the nearest plain meaning.
            _ => actual.to_lowercase().contains(&expected.to_lowercase()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SortCriterion {
    field_name: Option<String>,
    sort: Option<String>,
}

impl SortCriterion {
    fn sort(&self, tables: &mut [Table]) {
        let Some(field) = &self.field_name else { return };
        tables.sort_by_key(|table| property(table, field));
        if self.sort.as_deref() == Some("DESC") {
            tables.reverse();
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    search_text: Option<String>,
    filters: Option<Vec<Filter>>,
    sort_criteria: Option<Vec<SortCriterion>>,
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
    let text = input.search_text.unwrap_or_default().to_lowercase();
    let filters = input.filters.unwrap_or_default();
    let keep = |table: &Table| mentions(table, &text) && filters.iter().all(|filter| filter.holds(table));
    let mut found = Vec::new();
    for database in call.catalog.databases(scope, None, usize::MAX).map_err(from_catalog)? {
        let tables = call.catalog.tables(scope, &database.spec.name, None, usize::MAX, keep);
        found.extend(tables.map_err(from_catalog)?);
    }
    for criterion in input.sort_criteria.iter().flatten().rev() {
        criterion.sort(&mut found);
    }
    let (tables, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&(String, String)>, limit| {
            let at = |t: &Table| after.is_some_and(|(database, name)| t.database == *database && t.spec.name == *name);
            let from = found.iter().position(at).map_or(0, |index| index + 1);
            Ok(found.split_off(from).into_iter().take(limit).collect())
        },
        |last| (last.database.clone(), last.spec.name.clone()),
    )?;
    let table_list = tables
        .into_iter()
        .map(|t| TableShape::new(scope.account.as_str(), t))
        .collect();
    Ok(Output { table_list, next_token })
}

fn property(table: &Table, key: &str) -> Option<String> {
    let spec = &table.spec;
    match key.to_ascii_lowercase().as_str() {
        "name" | "tablename" => Some(spec.name.clone()),
        "databasename" | "database" => Some(table.database.clone()),
        "description" => spec.description.clone(),
        "owner" => spec.owner.clone(),
        "tabletype" | "type" => spec.table_type.clone(),
        "updatetime" => Some(format!("{:020}", table.updated_at_ms)),
        "createtime" => Some(format!("{:020}", table.created_at_ms)),
        other => spec
            .parameters
            .as_ref()?
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(other))
            .map(|(_, v)| v.clone()),
    }
}

/// Whether `text`, in lower case, stands in the table's name, description, columns or parameters.
fn mentions(table: &Table, text: &str) -> bool {
    let spec = &table.spec;
    let holds = |candidate: &str| candidate.to_lowercase().contains(text);
    let mut columns = spec.columns().iter().chain(&spec.partition_keys);
    holds(&spec.name)
        || spec.description.as_deref().is_some_and(holds)
        || columns.any(|column| holds(&column.name) || column.comment.as_deref().is_some_and(holds))
        || spec
            .parameters
            .iter()
            .flatten()
            .any(|(name, value)| holds(name) || holds(value))
}
