//! Delta tables in the object store, to which batches of files are committed exactly once.
//!
//! A table's state is what its log says: `_delta_log/<version>.json` are the commits, each of which is made by
//! putting the object that must not be there yet, so that of several writers, ours or foreign, one wins and the
//! others look again. A commit of ours holds a transaction identifier: the application's id and how far it has come.
//! Whoever commits the same again, after a crash or because an answer was lost, finds it in the log and changes
//! nothing.
//!
//! The format is that of the [Delta transaction log protocol](https://github.com/delta-io/delta/blob/master/PROTOCOL.md);
//! where a comment names a section, it is one of that page's.

mod action;
mod checkpoint;
mod compaction;
mod error;
mod file;
mod location;
mod log;
mod schema;
mod statistics;
mod support;
mod table;
#[cfg(test)]
mod tests;

pub use compaction::Compacted;
pub use error::LakeError;
pub use file::AddedFile;
pub use location::Location;
pub use table::{DeltaTable, Outcome, TableSpec};
