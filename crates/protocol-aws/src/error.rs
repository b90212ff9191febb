//! An error as a service words it.

use serde_json::{Map, Value};

/// A service's error: a code, a message and, where the model has more members, those. Each wire protocol
/// encodes it in its own form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    pub code: std::borrow::Cow<'static, str>,
    pub message: String,
    /// The HTTP status where it is not the model's (400 for errors the model does not know).
    pub status: Option<u16>,
    pub fields: Map<String, Value>,
}

impl AwsError {
    /// An error whose HTTP status is the model's for `code`, or 400.
    pub fn new(code: impl Into<std::borrow::Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: None,
            fields: Map::new(),
        }
    }

    /// Sets a further member of the modelled error.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Something of ours went wrong. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "an operation failed");
        Self::new(
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        )
        .with_status(500)
    }

    /// A service's full or broken disk: nothing was changed, and the call may be tried again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new("ServiceUnavailable", message).with_status(503)
    }

    /// The model knows the operation and catchment does not do it yet.
    pub fn not_implemented(service: &str, operation: &str) -> Self {
        Self::new(
            "NotImplemented",
            format!("catchment does not implement {service}:{operation} yet."),
        )
        .with_status(501)
    }

    /// The model does not know the operation.
    pub fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "").with_status(400)
    }

    /// The body could not be read as the operation's input.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message).with_status(400)
    }
}
