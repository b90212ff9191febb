//! What can go wrong in the object store, and what the caller can do about it.

use base::Scope;
use store_meta::MetaError;

use crate::Algorithm;

/// Every variant that speaks of the request means that nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("there is no bucket {0:?}")]
    NoSuchBucket(String),
    #[error("there is no object {key:?} in bucket {bucket:?}")]
    NoSuchKey { bucket: String, key: String },
    #[error("there is no multipart upload {0:?}")]
    NoSuchUpload(String),
    #[error("bucket {name:?} exists")]
    BucketExists { name: String, owner: Scope },
    #[error("bucket {0:?} holds objects")]
    BucketNotEmpty(String),
    #[error("{name:?} cannot name a bucket: {reason}")]
    InvalidBucketName { name: String, reason: &'static str },
    #[error("the key has {length} bytes; the most is {KEY_BYTES_MAX}")]
    KeyTooLong { length: usize },
    #[error("a key cannot be empty")]
    KeyEmpty,
    /// A condition on the object that is there (or is not) does not hold.
    #[error("a precondition does not hold: {0}")]
    PreconditionFailed(&'static str),
    /// The content is not what the caller said it is. Nothing was stored.
    #[error("the content's {what} is {actual}, not {expected}")]
    DigestMismatch {
        what: Digest,
        expected: String,
        actual: String,
    },
    #[error("the range begins behind the object's {size} bytes")]
    InvalidRange { size: u64 },
    #[error("part {number} was not uploaded, or its ETag is another")]
    InvalidPart { number: u32 },
    #[error("part numbers must rise")]
    InvalidPartOrder,
    #[error("part {number} has {size} bytes; every part but the last needs {PART_BYTES_MIN}")]
    PartTooSmall { number: u32, size: u64, etag: String },
    #[error("a multipart upload needs at least one part")]
    NoParts,
    #[error("part {number} has no {algorithm} checksum, which the upload asks for")]
    PartWithoutChecksum { number: u32, algorithm: Algorithm },
    #[error("the object has {actual} bytes, not {expected}")]
    SizeMismatch { expected: u64, actual: u64 },
    #[error("{size} bytes are more than the {max} that one write may have")]
    TooLarge { size: u64, max: u64 },
    /// No room on the disk. What was there is intact; try again when there is room.
    #[error("the object store has no room left on its disk")]
    Full,
    /// The file is not the one that was stored: somebody else changed or removed it.
    #[error("the file of object {key:?} in bucket {bucket:?} is damaged: {reason}")]
    Damaged {
        bucket: String,
        key: String,
        reason: String,
    },
    #[error("{context}: {source}")]
    Io { context: String, source: std::io::Error },
    #[error(transparent)]
    Meta(MetaError),
    /// The caller's own stream of content failed.
    #[error("the content broke off: {0}")]
    Content(String),
    #[error("the object store is shutting down")]
    Closed,
}

/// What a [`ObjectError::DigestMismatch`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Checksum(Algorithm),
}

/// Bytes of UTF-8 in a key (S3 User Guide, "Naming Amazon S3 objects").
pub const KEY_BYTES_MAX: usize = 1024;
/// The least that a part other than the last may have (S3 User Guide, "Multipart upload limits").
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// The most that one part or one single write may have (same page).
pub const WRITE_BYTES_MAX: u64 = 5 << 30;

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Md5 => f.write_str("MD5"),
            Self::Checksum(algorithm) => algorithm.fmt(f),
        }
    }
}

impl From<MetaError> for ObjectError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Full => Self::Full,
            MetaError::Closed => Self::Closed,
            other => Self::Meta(other),
        }
    }
}

impl From<tokio::task::JoinError> for ObjectError {
    fn from(error: tokio::task::JoinError) -> Self {
        if error.is_cancelled() {
            return Self::Closed;
        }
        Self::Io {
            context: "a file task panicked".into(),
            source: std::io::Error::other(error),
        }
    }
}

/// Gives an I/O error the words that say what was being done.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ObjectError>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ObjectError> {
        self.map_err(|source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ObjectError::Full,
            _ => ObjectError::Io {
                context: what(),
                source,
            },
        })
    }
}

impl<T> Context<T> for Result<T, rustix::io::Errno> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ObjectError> {
        self.map_err(std::io::Error::from).context(what)
    }
}
