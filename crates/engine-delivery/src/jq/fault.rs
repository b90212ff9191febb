//! Why a term has no value.

use super::value::{Text, Value};

#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// An error of the language, which `try` catches.
    Raised(Value),
    /// `error(null)` yields nothing and is no error.
    Nothing,
    /// A limit of the evaluation as a whole, which nothing catches.
    Limit(&'static str),
}

pub(super) type Outcome<T = Value> = Result<T, Fault>;

/// An error with a message.
pub(super) fn raise<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Fault::Raised(Value::Text(Text::new(message.into()))))
}
