//! What can go wrong in the log.

use std::io;
use std::path::{Path, PathBuf};

use crate::encryption::KeyState;

#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// No room on the disk. Nothing was appended; append again when there is room.
    #[error("the log's disk is full; nothing was appended")]
    Full,
    /// A write or fsync failed, so what is on the disk is unknown. Appends are refused until the log is opened
    /// again; reads go on.
    #[error("the log refuses writes since its disk failed ({0}); restart once the disk is sound")]
    Poisoned(String),
    /// A file could not be read, or the log could not be opened.
    #[error("the log failed: {0}")]
    Io(String),
    /// A file of a version that this program does not know. It was left as it is.
    #[error("{} has format version {found}; this program knows version {known}", path.display())]
    Version { path: PathBuf, found: u32, known: u32 },
    /// Another process has the directory open.
    #[error("the log in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The partition has been removed or was never there.
    #[error("the partition does not exist")]
    NoPartition,
    /// The partition takes no more records. None of the append's were taken.
    #[error("the partition takes no more records")]
    Fenced,
    /// One append carries more than the log takes at once. Append in smaller parts.
    #[error("an append of {bytes} bytes is larger than the {bytes_max} that the log takes at once")]
    TooLarge { bytes: usize, bytes_max: usize },
    /// Records were encrypted with a key that this installation does not have, or they were tampered with.
    #[error("records of the partition cannot be decrypted")]
    Undecryptable,
    /// The key that records are encrypted with may not be used now. Nothing was appended or read.
    #[error("the key that records are encrypted with is {0:?}")]
    Key(KeyState),
    /// The tier, where old records are or are to go, is not to be had.
    #[error("the tier failed: {0}")]
    Tier(String),
    /// The log has been closed.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            Self::Full
        } else {
            Self::Io(format!("{action} {}: {error}", path.display()))
        }
    }
}

/// Whether the error says that there is no room, as against a broken disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
