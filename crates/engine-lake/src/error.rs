//! What can go wrong with a table, and what the caller can do about it.

use store_objects::ObjectError;

/// But for [`LakeError::Objects`] and [`LakeError::Contended`], where a commit may be tried again, every variant
/// means that nothing was committed and that the same call will fail again until somebody changes the table, the
/// files or the place.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    #[error("{0:?} is no place for a table: it has to be s3://bucket/prefix/")]
    Location(String),
    /// The table asks of its writers what we do not do.
    #[error("the table at {table} cannot be written: {reason}")]
    Unsupported { table: String, reason: String },
    /// Columns or partition values are not those of the table.
    #[error("{what} does not fit the table at {table}: {reason}")]
    Mismatch {
        table: String,
        what: String,
        reason: String,
    },
    /// A partition value is none of its column's type.
    #[error("the file {path:?} does not fit the table at {table}: {reason}")]
    PartitionValue {
        table: String,
        path: String,
        reason: String,
    },
    /// A Delta table cannot have such columns.
    #[error("no Delta table can be made of these columns: {0}")]
    Columns(String),
    /// What is to be added is no Parquet file, or has no good name.
    #[error("the file {path:?} cannot be added: {reason}")]
    File { path: String, reason: String },
    /// The log does not say what it should, or parts of it are gone.
    #[error("the log of the table at {table} is damaged: {reason}")]
    Log { table: String, reason: String },
    /// The table was there and is gone. Opening it makes it anew.
    #[error("there is no table at {0} any more")]
    Gone(String),
    /// Other writers were faster each time. Try again.
    #[error("other writers of the table at {table} were faster {attempts} times in a row")]
    Contended { table: String, attempts: usize },
    #[error(transparent)]
    Objects(#[from] ObjectError),
}
