//! Databases, tables and partitions: a catalog in the manner of the Hive metastore.
//!
//! Everything lives under a [`base::Scope`]: each account has one catalog in each region. Names fold to lower
//! case. A table carries a version number that every update raises, so that racing writers can compare and
//! swap; earlier versions stay readable until they are pruned or deleted.

mod catalog;
mod error;
mod filter;
mod hive_types;
mod model;
mod partitions;
mod tables;
mod tags;
mod values;

pub use catalog::{Catalog, DeleteTables};
pub use error::CatalogError;
pub use filter::PartitionFilter;
pub use hive_types::{HiveField, HiveType, InvalidHiveType};
pub use model::{
    Column, Database, DatabaseSpec, Parameters, Partition, PartitionSpec, Serde, StorageDescriptor, Table, TableFormat,
    TableSpec,
};
pub use tables::TableUpdate;
pub use tags::Tagged;
pub use values::{NULL_PARTITION, PartitionValues, escape_path_value, unescape_path_value};

#[cfg(test)]
mod tests;
