//! Named queries, prepared statements and tags: small things that are kept as they come.

use base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use store_meta::Keyspace;

pub(crate) const NAMED_QUERIES: Keyspace<(Scope, String), NamedQuery> = Keyspace::new("athena/named-queries");
/// By work group and name.
pub(crate) const PREPARED: Keyspace<(Scope, String, String), PreparedStatement> =
    Keyspace::new("athena/prepared-statements");
/// By resource, such as `workgroup/reports`.
pub(crate) const TAGS: Keyspace<(Scope, String), std::collections::BTreeMap<String, String>> =
    Keyspace::new("athena/tags");

#[derive(Debug, Clone, Serialize, Deserialize)]
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
