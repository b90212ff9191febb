//! The durable, partitioned log, and the streams kept on it.
//!
//! One thread writes: every append goes to the end of one file, in groups that share an fsync, and each byte is
//! written once. An index tells where a partition's frames stand, in memory for the file being written and in
//! sidecar files for the others. Readers see only what is durable. `docs/formats/log.md` has the files byte by
//! byte, `docs/decisions/0002-log-layout.md` the reasons.

mod batch;
mod disk;
mod encryption;
mod error;
mod figures;
mod files;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod housekeeper;
mod log;
mod mover;
mod partition;
mod read;
mod recovery;
mod sidecar;
mod status;
pub mod streams;
mod tier;
mod writer;

#[cfg(test)]
mod tests;

pub use batch::{Batch, ProducerId, Record};
pub use encryption::{DataKey, KeyState, KeyStore};
pub use error::LogError;
pub use figures::LatencyFigures;
pub use log::{APPEND_BYTES_MAX, Durability, Log, LogOptions};
pub use partition::{Partition, PartitionStatus};
pub use read::Records;
pub use status::{Quarantined, Status};
pub use writer::Appended;
