//! Errors in Athena's words.

use engine_catalog::CatalogError;
use engine_sql::SqlError;
use protocol_aws::AwsError;
use store_meta::MetaError;

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequestException", message)
}

pub(crate) fn from_meta(error: MetaError) -> AwsError {
    tracing::error!(%error, "the metadata store failed");
    AwsError::new(
        "InternalServerException",
        "The service could not read or write its store. Try again.",
    )
    .with_status(500)
}

/// The text is of the User Guide's "Service Quotas"; the model has one reason.
pub(crate) fn too_many_queries() -> AwsError {
    AwsError::new(
        "TooManyRequestsException",
        "You have exceeded the limit for the number of queries you can run concurrently. Reduce the number of \
         concurrent queries submitted by this account. Contact customer support to request a concurrent query limit \
         increase.",
    )
    .with("Reason", "CONCURRENT_QUERY_LIMIT_EXCEEDED")
}

/// A statement that is refused before it runs.
pub(crate) fn malformed(error: &SqlError) -> AwsError {
    invalid(error.message.clone()).with("AthenaErrorCode", "MALFORMED_QUERY")
}

pub(crate) fn no_execution(id: &str) -> AwsError {
    invalid(format!("QueryExecution {id} was not found"))
}

/// Failures of looking at the catalog.
pub(crate) fn metadata(error: CatalogError) -> AwsError {
    let message = match error {
        CatalogError::Meta(error) => return from_meta(error),
        CatalogError::DatabaseNotFound { database } => format!("Database {database} not found."),
        CatalogError::TableNotFound { .. } => "Entity Not Found".to_owned(),
        other => other.to_string(),
    };
    AwsError::new("MetadataException", message)
}
