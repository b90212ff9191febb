//! Figures for metrics and for people.

use crate::figures::LatencyFigures;
use crate::partition::PartitionStatus;

/// A place in a log file that was durable and is damaged. It is left as it is and passed over by readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantined {
    /// The number in the file's name.
    pub file: u32,
    /// The first damaged byte and how many there are.
    pub at: u32,
    pub bytes: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Status {
    pub partitions: Vec<PartitionStatus>,
    /// Log files in use, and what they hold in frames and headers.
    pub files: usize,
    pub bytes: u64,
    /// Since the log was opened.
    pub appended_records: u64,
    pub appended_bytes: u64,
    /// Write and fsync of a group together, and fsync alone. Without durability the latter counts nothing.
    pub commit: LatencyFigures,
    pub fsync: LatencyFigures,
    pub quarantined: Vec<Quarantined>,
    /// Frames found damaged by readers since the log was opened.
    pub damaged_frames: u64,
    /// Why writes are refused, when they are.
    pub poisoned: Option<String>,
    /// Objects in the tier, what they hold, and why the last attempt to move more there failed.
    pub tiered_objects: usize,
    pub tiered_bytes: u64,
    pub tier_failure: Option<String>,
}
