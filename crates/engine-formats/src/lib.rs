//! Record formats: JSON and text to Arrow columns, Arrow batches to Parquet, ORC, Avro and text, and such files back;
//! compression, and the way from Hive's types to Arrow's.

mod arrow_types;
mod avro_blocks;
mod avro_file;
mod avro_schema;
mod cloudwatch_logs;
mod column;
mod compression;
mod decoding;
mod decompressor;
mod error;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json;
mod kpl;
mod orc;
mod orc_file;
mod orc_tail;
mod parquet_file;
mod protobuf;
mod recordio;
mod snappy;
mod snappy_blocks;
mod text;
mod time;
mod zip_file;

pub use arrow::array::RecordBatch;
pub use arrow::datatypes::{DataType, Fields, SchemaRef};
pub use arrow_types::{arrow_field, arrow_schema, arrow_type, hive_columns, hive_type, without_views};
pub use avro_blocks::AvroBlocks;
pub use avro_file::{AvroCompression, AvroFile, write_avro};
pub use cloudwatch_logs::log_messages;
pub use column::{ColumnBuilder, Mismatch};
pub use compression::Compression;
pub use decoding::{Refusal, Rejected};
pub use decompressor::Decompressor;
pub use error::FormatError;
pub use files::{FileBatches, FileFormat, read_file};
pub use json::{Coercion, Documents, JsonDecoder, JsonOptions};
pub use kpl::{UserRecord, deaggregate};
pub use orc::{OrcCompression, OrcOptions, OrcVersion, OrcWriter};
pub use orc_file::{OrcFile, ReadRange};
pub use parquet_file::{ParquetCompression, ParquetFile, ParquetOptions, WriterVersion};
pub use recordio::{RecordIoOptions, TensorType, read_record_io, write_record_io};
pub use text::{
    Charset, Delimited, Delimiter, Grok, JsonLines, Quoted, Regex, TextDecoder, TextFormat, Unmatched, write_delimited,
    write_json_lines, write_quoted,
};
pub use time::{InvalidTimestampFormat, TimestampFormat};
