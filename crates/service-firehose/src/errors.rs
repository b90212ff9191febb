//! What goes wrong, in the service's own words.

use base::Scope;
use engine_catalog::CatalogError;
use engine_delivery::DeliveryError;
use engine_log::LogError;
use engine_log::streams::StreamError;
use protocol_aws::AwsError;
use store_meta::MetaError;

pub(crate) fn invalid_argument(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidArgumentException", message)
}

/// The service does it and catchment does not yet; refused when it is asked for, not when a record gets there.
pub(crate) fn not_yet(what: &str) -> AwsError {
    invalid_argument(format!("catchment does not {what} yet."))
}

/// As validation by the model words it, for the patterns that it cannot check.
pub(crate) fn pattern(value: &str, path: &str, pattern: &str) -> AwsError {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: {pattern}"
    );
    AwsError::new("ValidationException", message)
}

pub(crate) fn not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("Firehose {name} under account {} not found.", scope.account),
    )
}

fn exists(scope: &Scope, name: &str) -> AwsError {
    AwsError::new(
        "ResourceInUseException",
        format!("Firehose {name} under accountId {} already exists", scope.account),
    )
}

pub(crate) fn not_for_streams() -> AwsError {
    invalid_argument("This operation is not permitted on KinesisStreamAsSource delivery stream type.")
}

/// More calls in a second than the service takes of an account.
pub(crate) fn throttled() -> AwsError {
    AwsError::new("ThrottlingException", "Rate exceeded")
}

/// More puts in a second than the service takes for a delivery stream.
pub(crate) fn slow_down() -> AwsError {
    AwsError::new(SLOW_DOWN.0, SLOW_DOWN.1).with_status(503)
}

/// Code and text, as they stand at single records too.
pub(crate) const SLOW_DOWN: (&str, &str) = ("ServiceUnavailableException", "Slow down.");

pub(crate) fn limit_exceeded(message: impl Into<String>) -> AwsError {
    AwsError::new("LimitExceededException", message)
}

/// Nothing was changed, and the call may be tried again.
fn unavailable(cause: impl std::fmt::Display) -> AwsError {
    AwsError::new("ServiceUnavailableException", sentence(&cause.to_string())).with_status(503)
}

fn sentence(cause: &str) -> String {
    let mut letters = cause.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).chain(['.']).collect())
        .unwrap_or_default()
}

/// What ended work on the delivery stream `name`.
pub(crate) fn from_delivery(scope: &Scope, name: &str, error: DeliveryError) -> AwsError {
    match error {
        DeliveryError::NotFound(_) | DeliveryError::Log(LogError::NoPartition) => not_found(scope, name),
        DeliveryError::Exists(_) => exists(scope, name),
        DeliveryError::NoDirectPuts(_) => not_for_streams(),
        DeliveryError::DataStreamNotFound(stream) => invalid_argument(format!("Stream {stream} not found.")),
        DeliveryError::Table(error) => from_catalog(error),
        DeliveryError::NotConvertible(reason) => invalid_argument(format!("The schema is invalid: {reason}")),
        DeliveryError::VersionMismatch { expected, current } => AwsError::new(
            "ConcurrentModificationException",
            format!(
                "Cannot update firehose: {name} since the current version id: {current} and specified version id: \
                 {expected} do not match"
            ),
        ),
        DeliveryError::Log(error) | DeliveryError::Stream(StreamError::Log(error)) => from_log(error),
        DeliveryError::Stream(StreamError::Store(error)) | DeliveryError::Meta(error) => from_meta(error),
        DeliveryError::Stream(error @ StreamError::Stopping) => unavailable(error),
        DeliveryError::Stream(error) => AwsError::internal(error),
    }
}

/// What Glue says of a table, as it comes through Firehose.
fn from_catalog(error: CatalogError) -> AwsError {
    let missing = match error {
        CatalogError::DatabaseNotFound { database } => format!("Database {database} not found."),
        CatalogError::TableNotFound { table, .. } => format!("Table {table} not found."),
        CatalogError::VersionNotFound { version, .. } => format!("Table version {version} not found."),
        CatalogError::Meta(error) => return from_meta(error),
        other => return AwsError::internal(other),
    };
    invalid_argument(format!(
        "{missing} (Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException)"
    ))
}

fn from_log(error: LogError) -> AwsError {
    match error {
        LogError::Full | LogError::Poisoned(_) | LogError::Closed => unavailable(error),
        LogError::Key(_) => AwsError::new("InvalidKMSResourceException", sentence(&error.to_string())),
        other => AwsError::internal(other),
    }
}

fn from_meta(error: MetaError) -> AwsError {
    match error {
        MetaError::Full | MetaError::Uncertain(_) => unavailable(error),
        other => AwsError::internal(other),
    }
}
