//! Named queries, prepared statements and tags: small things that are kept as they come.

use base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use store_meta::{Keyspace, MetaError, Read, Tx};

pub(crate) const NAMED_QUERIES: Keyspace<(Scope, String), NamedQuery> = Keyspace::new("athena/named-queries");
/// The query that each client's token made.
pub(crate) const NAMED_QUERY_TOKENS: Keyspace<(Scope, String), String> = Keyspace::new("athena/named-query-tokens");
/// By work group and name.
pub(crate) const PREPARED: Keyspace<(Scope, String, String), PreparedStatement> =
    Keyspace::new("athena/prepared-statements");
/// By resource, such as `workgroup/reports`.
pub(crate) const TAGS: Keyspace<(Scope, String), std::collections::BTreeMap<String, String>> =
    Keyspace::new("athena/tags");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedQuery {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) database: String,
    pub(crate) query_string: String,
    pub(crate) named_query_id: String,
    pub(crate) work_group: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PreparedStatement {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) work_group: String,
    pub(crate) description: Option<String>,
    pub(crate) modified_ms: Millis,
}

/// Whether a work group has no named queries.
pub(crate) fn none_in(tx: &Tx<'_>, scope: &Scope, work_group: &str) -> Result<bool, MetaError> {
    let mut none = true;
    tx.visit(&NAMED_QUERIES, &(scope.clone(),), None, |_, query| {
        none = query.work_group != work_group;
        none
    })?;
    Ok(none)
}

/// Forgets a work group's named queries, prepared statements and tags.
pub(crate) fn forget_all_in(tx: &mut Tx<'_>, scope: &Scope, work_group: &str) -> Result<(), MetaError> {
    for (key, query) in tx.scan(&NAMED_QUERIES, &(scope.clone(),), None, usize::MAX)? {
        if query.work_group == work_group {
            tx.delete(&NAMED_QUERIES, &key)?;
        }
    }
    tx.delete(&TAGS, &(scope.clone(), format!("workgroup/{work_group}")))?;
    tx.delete_prefix(&PREPARED, &(scope.clone(), work_group.to_owned()))?;
    Ok(())
}

/// Forgets the tokens of named queries that are gone.
pub(crate) fn forget_spent_tokens(tx: &mut Tx<'_>) -> Result<(), MetaError> {
    for (key, id) in tx.scan(&NAMED_QUERY_TOKENS, &(), None, usize::MAX)? {
        if tx.get(&NAMED_QUERIES, &(key.0.clone(), id))?.is_none() {
            tx.delete(&NAMED_QUERY_TOKENS, &key)?;
        }
    }
    Ok(())
}
