//! SQL over the catalog's tables, on DataFusion.
//!
//! Queries are in Trino's dialect and statements that change the catalog in Hive's, as Athena has them. Nothing
//! outside this crate names DataFusion. Queries run on threads of their own, so that a long one does not keep
//! the server from answering; memory is bounded, and what does not fit spills to disk.

mod ddl;
mod dialect;
mod engine;
mod error;
mod failures;
mod functions;
mod lake;
mod objects;
mod query;
mod scan;
mod text;
mod types;
mod work;

use std::path::PathBuf;

pub use ddl::{CreateTable, Ddl, TableName};
pub use engine::{Engine, Outcome, Session, Slot, Statement};
pub use error::{ErrorKind, SqlError};
pub use query::{Query, Rows};
pub use text::BatchText;

/// The bounds within which queries run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all queries together may hold in memory, in bytes, before they spill or fail.
    pub memory_bytes_max: usize,
    /// How many queries run at once; others wait.
    pub queries_max: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Where queries put what does not fit into memory.
    pub spill_dir: PathBuf,
    /// What is kept of Parquet files' metadata, in bytes.
    pub metadata_cache_bytes_max: usize,
}

impl Settings {
    /// For a machine of which the server takes a part.
    pub fn new(spill_dir: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            memory_bytes_max: 1 << 30,
            queries_max: 20,
            threads,
            spill_dir: spill_dir.into(),
            metadata_cache_bytes_max: 64 << 20,
        }
    }
}

/// A column of a result, in the service's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    pub name: String,
    pub type_name: &'static str,
    pub precision: i32,
    pub scale: i32,
    /// Values are text of which the case matters.
    pub case_sensitive: bool,
}

impl ColumnInfo {
    pub(crate) fn string(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            type_name: "string",
            precision: 0,
            scale: 0,
            case_sensitive: false,
        }
    }
}

/// What a statement that is not a query answers: lines of text. A line may stand for several columns, between
/// tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextResult {
    pub columns: Vec<ColumnInfo>,
    pub rows: Vec<String>,
}

impl TextResult {
    pub(crate) fn nothing() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn lines(column: &str, rows: Vec<String>) -> Self {
        let columns = if column.is_empty() {
            Vec::new()
        } else {
            vec![ColumnInfo::string(column)]
        };
        Self { columns, rows }
    }
}

#[cfg(test)]
mod tests;
