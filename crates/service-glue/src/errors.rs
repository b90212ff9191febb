//! Catalog errors in Glue's words.

use engine_catalog::CatalogError;
use protocol_aws::AwsError;
use serde::Serialize;

pub(crate) fn from_catalog(error: CatalogError) -> AwsError {
    use CatalogError as E;
    let (code, message) = match error {
        E::DatabaseNotFound { database } => ("EntityNotFoundException", format!("Database {database} not found.")),
        E::TableNotFound { table, .. } => ("EntityNotFoundException", format!("Table {table} not found.")),
        E::VersionNotFound { version, .. } => {
            ("EntityNotFoundException", format!("Table version {version} not found."))
        }
        E::PartitionNotFound { .. } => ("EntityNotFoundException", "Cannot find partition.".to_owned()),
        E::DatabaseExists { .. } => ("AlreadyExistsException", "Database already exists.".to_owned()),
        E::DatabaseNotEmpty { database } => ("InvalidInputException", format!("Database {database} is not empty.")),
        E::TableExists { .. } => ("AlreadyExistsException", "Table already exists.".to_owned()),
        E::PartitionExists { .. } => ("AlreadyExistsException", "Partition already exists.".to_owned()),
        E::VersionMismatch { .. } => (
            "ConcurrentModificationException",
            "Update table failed due to concurrent modifications.".to_owned(),
        ),
        E::VersionInUse { version, .. } => (
            "InvalidInputException",
            format!("Version {version} is the current version of the table and cannot be deleted."),
        ),
        E::Invalid(message) => ("InvalidInputException", message),
        E::BadExpression(reason) => ("InvalidInputException", format!("Unsupported expression: {reason}")),
        E::Meta(error) => {
            tracing::error!(%error, "the catalog's store failed");
            (
                "InternalServiceException",
                "The catalog could not read or write its store. Try again.".to_owned(),
            )
        }
    };
    AwsError::new(code, message)
}

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInputException", message)
}

/// An error of one item in a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ErrorDetail {
    error_code: String,
    error_message: String,
}

impl From<CatalogError> for ErrorDetail {
    fn from(error: CatalogError) -> Self {
        from_catalog(error).into()
    }
}

impl From<AwsError> for ErrorDetail {
    fn from(error: AwsError) -> Self {
        Self {
            error_code: error.code.into_owned(),
            error_message: error.message,
        }
    }
}
