//! What can go wrong in the metadata store.

/// Every variant but [`MetaError::Full`] means that somebody must look at the disk or the file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetaError {
    /// No room on the disk, or no larger file allowed. Nothing was written; try again when there is room.
    #[error("the metadata store has no room left on its disk")]
    Full,
    /// The file could not be read or written. Nothing of the failed transaction was kept.
    #[error("the metadata store failed: {0}")]
    Storage(String),
    /// A commit failed half way, then or before: whether that transaction was kept shows at the next start only.
    /// Until then nothing more is written.
    #[error("the metadata store writes nothing more until it is started again, because a commit failed: {0}")]
    Uncertain(String),
    /// A stored value does not have the form its keyspace declares.
    #[error("the metadata keyspace {keyspace} holds an entry that cannot be read: {reason}")]
    Corrupt { keyspace: &'static str, reason: String },
    /// The store has been closed.
    #[error("the metadata store is closed")]
    Closed,
}

impl MetaError {
    pub(crate) fn storage(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(io)
                if matches!(
                    io.kind(),
                    std::io::ErrorKind::StorageFull
                        | std::io::ErrorKind::QuotaExceeded
                        | std::io::ErrorKind::FileTooLarge
                ) =>
            {
                Self::Full
            }
            other => Self::Storage(other.to_string()),
        }
    }
}
