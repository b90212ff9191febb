//! What goes wrong, in the service's own words.

use base::Scope;
use engine_log::streams::StreamError;
use engine_log::{KeyState, LogError};
use protocol_aws::AwsError;
use store_meta::MetaError;

pub(crate) fn invalid_argument(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidArgumentException", message)
}

pub(crate) fn stream_not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("Stream {name} under account {} not found.", scope.account),
    )
}

pub(crate) fn shard_not_found(scope: &Scope, stream: &str, shard: &str) -> AwsError {
    let message = format!(
        "Shard {shard} in stream {stream} under account {} does not exist",
        scope.account
    );
    AwsError::new("ResourceNotFoundException", message)
}

pub(crate) fn stream_exists(scope: &Scope, name: &str) -> AwsError {
    AwsError::new(
        "ResourceInUseException",
        format!("Stream {name} under account {} already exists.", scope.account),
    )
}

pub(crate) fn in_use(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceInUseException", message)
}

pub(crate) fn limit_exceeded(message: impl Into<String>) -> AwsError {
    AwsError::new("LimitExceededException", message)
}

pub(crate) const THROUGHPUT_EXCEEDED: &str = "ProvisionedThroughputExceededException";

pub(crate) fn throughput_exceeded(scope: &Scope, stream: &str, shard: &str) -> AwsError {
    AwsError::new(
        THROUGHPUT_EXCEEDED,
        format!(
            "Rate exceeded for shard {shard} in stream {stream} under account {}.",
            scope.account
        ),
    )
}

pub(crate) fn expired_token() -> AwsError {
    AwsError::new(
        "ExpiredNextTokenException",
        "NextToken has expired. Start again without it.",
    )
}

pub(crate) fn policy_not_found(arn: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("No resource policy found for resource {arn}"),
    )
}

/// What the service refuses beside its model.
pub(crate) fn validation_of(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

/// As validation by the model words it.
pub(crate) fn validation(value: &str, path: &str, constraint: &str) -> AwsError {
    let message =
        format!("1 validation error detected: Value{value} at '{path}' failed to satisfy constraint: {constraint}");
    AwsError::new("ValidationException", message)
}

pub(crate) fn dry_run() -> AwsError {
    AwsError::new(
        "DryRunOperationException",
        "Request would have succeeded, but DryRun flag is set.",
    )
}

pub(crate) fn from_log(scope: &Scope, stream: &str, error: LogError) -> AwsError {
    match error {
        LogError::NoPartition => stream_not_found(scope, stream),
        // Fenced: its shard was closed again and again while the record tried to get in.
        LogError::Full | LogError::Poisoned(_) | LogError::Closed | LogError::Fenced => {
            AwsError::unavailable(sentence(&error.to_string()))
        }
        LogError::Undecryptable => AwsError::new(
            "KMSNotFoundException",
            format!("The key that records of stream {stream} were encrypted with was not found."),
        ),
        LogError::Key(state) => key_unusable(state),
        LogError::Tier(_) => AwsError::unavailable(sentence(&error.to_string())),
        other => AwsError::internal(other),
    }
}

/// The service's errors for keys that may not be used, with its texts (API reference, PutRecord, "Errors").
pub(crate) fn key_unusable(state: KeyState) -> AwsError {
    let (code, message) = match state {
        KeyState::AccessDenied => (
            "KMSAccessDeniedException",
            "The ciphertext references a key that doesn't exist or that you don't have access to.",
        ),
        KeyState::Enabled | KeyState::Disabled => (
            "KMSDisabledException",
            "The request was rejected because the specified customer master key (CMK) isn't enabled.",
        ),
        KeyState::PendingDeletion => (
            "KMSInvalidStateException",
            "The request was rejected because the state of the specified resource isn't valid for this request.",
        ),
        KeyState::Missing => (
            "KMSNotFoundException",
            "The request was rejected because the specified entity or resource can't be found.",
        ),
        KeyState::NotSubscribed => (
            "KMSOptInRequired",
            "The AWS access key ID needs a subscription for the service.",
        ),
        KeyState::Throttled => (
            "KMSThrottlingException",
            "The request was denied due to request throttling.",
        ),
    };
    AwsError::new(code, message)
}

pub(crate) fn from_streams(scope: &Scope, stream: &str, error: StreamError) -> AwsError {
    match error {
        StreamError::Exists => stream_exists(scope, stream),
        StreamError::NotFound => stream_not_found(scope, stream),
        StreamError::Log(error) => from_log(scope, stream, error),
        StreamError::Store(MetaError::Full | MetaError::Uncertain(_) | MetaError::Closed) | StreamError::Stopping => {
            AwsError::unavailable(sentence(&error.to_string()))
        }
        StreamError::Store(_) | StreamError::InvalidSteps => AwsError::internal(error),
    }
}

/// The engine's message, as a sentence.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).chain(['.']).collect())
        .unwrap_or_default()
}

/// An error that a change to a stream can end with: the engine's, or one of ours from within the change.
pub(crate) enum ChangeError {
    Streams(StreamError),
    Refused(AwsError),
}

impl From<StreamError> for ChangeError {
    fn from(error: StreamError) -> Self {
        Self::Streams(error)
    }
}

impl ChangeError {
    pub(crate) fn answer(self, scope: &Scope, stream: &str) -> AwsError {
        match self {
            Self::Streams(error) => from_streams(scope, stream, error),
            Self::Refused(error) => error,
        }
    }
}
