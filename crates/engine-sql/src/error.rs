//! Why a statement fails.

use engine_catalog::CatalogError;

/// What kind of failure it is; callers tell users different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text does not parse.
    Syntax,
    DatabaseNotFound,
    TableNotFound,
    ColumnNotFound,
    /// Another mistake in the statement or the data: types, values, names that exist already.
    User,
    /// A file's content does not fit the table.
    BadData,
    /// Correct, and not built here yet.
    NotSupported,
    /// Memory or disk of the query pool ran out.
    ResourcesExhausted,
    Cancelled,
    /// The query would read more than its session allows.
    CutOff,
    Internal,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    pub kind: ErrorKind,
    pub message: String,
}

impl SqlError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, message)
    }

    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, message)
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotSupported, format!("NOT_SUPPORTED: {}", message.into()))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "Query cancelled")
    }
}

/// In the words of Hive, whose language the statements that change the catalog are written in.
impl From<CatalogError> for SqlError {
    fn from(error: CatalogError) -> Self {
        use CatalogError as E;
        const DDL_TASK: &str = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask.";
        match error {
            E::DatabaseNotFound { database } => Self::new(
                ErrorKind::DatabaseNotFound,
                format!("FAILED: SemanticException [Error 10072]: Database does not exist: {database}"),
            ),
            E::TableNotFound { database, table } => Self::new(
                ErrorKind::TableNotFound,
                format!("FAILED: SemanticException [Error 10001]: Table not found {database}.{table}"),
            ),
            E::DatabaseExists { database } => Self::user(format!("{DDL_TASK} Database {database} already exists")),
            E::DatabaseNotEmpty { database } => Self::user(format!(
                "{DDL_TASK} InvalidOperationException(message:Database {database} is not empty. One or more tables \
                 exist.)"
            )),
            E::TableExists { table, .. } => Self::user(format!(
                "{DDL_TASK} AlreadyExistsException(message:Table {table} already exists)"
            )),
            E::PartitionExists { values, .. } => Self::user(format!(
                "{DDL_TASK} AlreadyExistsException(message:Partition already exists: {values:?})"
            )),
            E::PartitionNotFound { values, .. } => Self::user(format!(
                "FAILED: SemanticException [Error 10006]: Partition not found {values:?}"
            )),
            E::Meta(error) => Self::internal(error.to_string()),
            other => Self::user(format!("FAILED: SemanticException {other}")),
        }
    }
}
