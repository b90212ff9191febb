//! SearchTables: tables of every database by text and properties, in pages.

use std::cmp::Ordering;

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
        let order = actual.compared_with(expected);
        match self.comparator.as_deref() {
            Some("GREATER_THAN") => order.is_gt(),
            Some("LESS_THAN") => order.is_lt(),
            Some("GREATER_THAN_EQUALS") => order.is_ge(),
            Some("LESS_THAN_EQUALS") => order.is_le(),
            // The service compares words of a text, a substring being the nearest plain meaning.
            _ => actual.text().contains(&expected.to_lowercase()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SortCriterion {
    field_name: Option<String>,
    sort: Option<String>,
}

/// What a table is sorted by: its properties, each ascending or descending, and its name, so that no two are equal.
type SortKey = (Vec<Option<Property>>, String, String);

fn sort_key(criteria: &[SortCriterion], table: &Table) -> SortKey {
    let fields = criteria.iter().filter_map(|criterion| criterion.field_name.as_deref());
    let properties = fields.map(|field| property(table, field)).collect();
    (properties, table.database.clone(), table.spec.name.clone())
}

fn compare(criteria: &[SortCriterion], a: &SortKey, b: &SortKey) -> Ordering {
    let sorted = criteria.iter().filter(|criterion| criterion.field_name.is_some());
    let by_property = sorted.zip(a.0.iter().zip(&b.0)).map(|(criterion, (a, b))| {
        let order = a.cmp(b);
        if criterion.sort.as_deref() == Some("DESC") {
            order.reverse()
        } else {
            order
        }
    });
    let names = || (&a.1, &a.2).cmp(&(&b.1, &b.2));
    by_property.fold(Ordering::Equal, Ordering::then).then_with(names)
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
    let criteria = input.sort_criteria.unwrap_or_default();
    let mut found: Vec<_> = found
        .into_iter()
        .map(|table| (sort_key(&criteria, &table), table))
        .collect();
    found.sort_by(|(a, _), (b, _)| compare(&criteria, a, b));
    let (tables, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PAGE_MAX),
        |after: Option<&SortKey>, limit| {
            // Where the last page ended, whether or not its last table is still there.
            let from = after.map_or(0, |after| {
                found.partition_point(|(key, _)| compare(&criteria, key, after).is_le())
            });
            Ok(found.split_off(from).into_iter().take(limit).collect())
        },
        |(key, _)| key.clone(),
    )?;
    let table_list = tables
        .into_iter()
        .map(|(_, table)| TableShape::new(scope.account.as_str(), table))
        .collect();
    Ok(Output { table_list, next_token })
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Property {
    /// Milliseconds since the epoch.
    Time(i64),
    Text(String),
}

impl Property {
    fn text(&self) -> String {
        match self {
            Self::Time(ms) => ms.to_string(),
            Self::Text(text) => text.to_lowercase(),
        }
    }

    fn compared_with(&self, expected: &str) -> Ordering {
        match (self, expected.trim().parse::<i64>()) {
            (Self::Time(ms), Ok(expected)) => ms.cmp(&expected),
            _ => self.text().cmp(&expected.to_lowercase()),
        }
    }
}

fn property(table: &Table, key: &str) -> Option<Property> {
    let spec = &table.spec;
    let text = match key.to_ascii_lowercase().as_str() {
        "name" | "tablename" => Some(spec.name.clone()),
        "databasename" | "database" => Some(table.database.clone()),
        "description" => spec.description.clone(),
        "owner" => spec.owner.clone(),
        "tabletype" | "type" => spec.table_type.clone(),
        "updatetime" => return Some(Property::Time(table.updated_at_ms)),
        "createtime" => return Some(Property::Time(table.created_at_ms)),
        other => spec
            .parameters
            .as_ref()?
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(other))
            .map(|(_, value)| value.clone()),
    };
    text.map(Property::Text)
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

#[cfg(test)]
mod tests {
    use engine_catalog::TableSpec;

    use super::*;

    fn table(name: &str, owner: &str, updated_at_ms: i64) -> Table {
        Table {
            database: "db".to_owned(),
            spec: TableSpec {
                name: name.to_owned(),
                owner: Some(owner.to_owned()),
                ..TableSpec::default()
            },
            version: 0,
            created_at_ms: 0,
            updated_at_ms,
        }
    }

    #[test]
    fn times_compare_as_numbers() {
        let filter = |comparator: &str, value: &str| Filter {
            key: Some("UpdateTime".to_owned()),
            value: Some(value.to_owned()),
            comparator: Some(comparator.to_owned()),
        };
        let table = table("t", "me", 1_000);
        assert!(filter("GREATER_THAN", "999").holds(&table));
        assert!(!filter("GREATER_THAN", "1000").holds(&table));
        assert!(filter("EQUALS", "1000").holds(&table));
        assert!(filter("LESS_THAN", "1000000").holds(&table));
    }

    #[test]
    fn equals_stay_in_order_whichever_way_is_sorted() {
        let criterion = |sort: &str| SortCriterion {
            field_name: Some("Owner".to_owned()),
            sort: Some(sort.to_owned()),
        };
        for (sort, expect) in [("ASC", ["a", "c", "b"]), ("DESC", ["b", "a", "c"])] {
            let criteria = [criterion(sort)];
            let mut keys: Vec<_> = [table("c", "x", 0), table("b", "y", 0), table("a", "x", 0)]
                .iter()
                .map(|table| sort_key(&criteria, table))
                .collect();
            keys.sort_by(|a, b| compare(&criteria, a, b));
            assert_eq!(
                keys.iter().map(|key| key.2.as_str()).collect::<Vec<_>>(),
                expect,
                "{sort}"
            );
        }
    }
}
