//! What can go wrong with a format.

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The table's columns cannot be held.
    #[error("the table's schema cannot be used: {0}")]
    Schema(String),
    /// What was read is not what it should be.
    #[error("{0}")]
    Decode(String),
    /// A file could not be encoded: a defect, not bad input.
    #[error("could not encode: {0}")]
    Encode(String),
}
