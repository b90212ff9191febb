//! What can go wrong with a format.

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The table's columns cannot be held.
    #[error("the table's schema cannot be used: {0}")]
    Schema(String),
    /// A pattern that records are to match is none.
    #[error("the pattern cannot be used: {0}")]
    Pattern(String),
    /// What was read is not what it should be.
    #[error("{0}")]
    Decode(String),
    /// What was compressed is more than this many bytes.
    #[error("it holds more than {0} bytes")]
    TooLarge(usize),
    /// A file could not be encoded: a defect, not bad input.
    #[error("could not encode: {0}")]
    Encode(String),
}
