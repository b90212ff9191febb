//! Files that this crate writes, before readers that it did not write.

#[path = "formats/compression.rs"]
mod compression;
#[path = "formats/files.rs"]
mod files;
#[path = "formats/orc.rs"]
mod orc;
#[path = "formats/orc_index.rs"]
mod orc_index;
#[path = "formats/parquet.rs"]
mod parquet;
#[path = "formats/parquet_index.rs"]
mod parquet_index;
#[path = "formats/python.rs"]
mod python;
#[path = "formats/random.rs"]
mod random;
#[path = "formats/recordio.rs"]
mod recordio;
#[path = "formats/text.rs"]
mod text;
#[path = "formats/value.rs"]
mod value;
