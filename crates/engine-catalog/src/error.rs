//! What the catalog refuses, and why.

use store_meta::MetaError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    #[error("there is no database {database}")]
    DatabaseNotFound { database: String },
    #[error("there is no table {database}.{table}")]
    TableNotFound { database: String, table: String },
    #[error("the table {database}.{table} has no version {version}")]
    VersionNotFound {
        database: String,
        table: String,
        version: u64,
    },
    #[error("the table {database}.{table} has no partition {values:?}")]
    PartitionNotFound {
        database: String,
        table: String,
        values: Vec<String>,
    },
    #[error("the database {database} exists already")]
    DatabaseExists { database: String },
    #[error("the database {database} has tables")]
    DatabaseNotEmpty { database: String },
    #[error("the table {database}.{table} exists already")]
    TableExists { database: String, table: String },
    #[error("the table {database}.{table} has the partition {values:?} already")]
    PartitionExists {
        database: String,
        table: String,
        values: Vec<String>,
    },
    /// Somebody else updated the table since the caller read it. Read it again.
    #[error("the table {database}.{table} is at version {current}, not {expected}")]
    VersionMismatch {
        database: String,
        table: String,
        expected: u64,
        current: u64,
    },
    /// The newest version of a table goes only with the table.
    #[error("version {version} of {database}.{table} is its newest")]
    VersionInUse {
        database: String,
        table: String,
        version: u64,
    },
    #[error("{0}")]
    Invalid(String),
    /// A partition filter that does not parse, or that does not fit the partition keys.
    #[error("the partition expression cannot be used: {0}")]
    BadExpression(String),
    #[error(transparent)]
    Meta(#[from] MetaError),
}
