//! What the caller of a delivery stream can do about a failure.

use engine_catalog::CatalogError;
use engine_log::LogError;
use engine_log::streams::StreamError;
use store_meta::MetaError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    #[error("there is no delivery stream {0:?}")]
    NotFound(String),
    #[error("a delivery stream {0:?} exists already")]
    Exists(String),
    /// The stream takes its records from elsewhere.
    #[error("the delivery stream {0:?} takes no direct puts")]
    NoDirectPuts(String),
    /// The data stream to read from or to write to is not there.
    #[error("there is no data stream {0:?}")]
    DataStreamNotFound(String),
    /// The conversion's table is not there.
    #[error(transparent)]
    Table(#[from] CatalogError),
    /// The conversion's table is there, and no records can be converted by it.
    #[error("records cannot be converted: {0}")]
    NotConvertible(String),
    /// Somebody else changed the delivery stream since the caller read it.
    #[error("the delivery stream is at version {current}, not {expected}")]
    VersionMismatch { expected: u64, current: u64 },
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Meta(#[from] MetaError),
}
