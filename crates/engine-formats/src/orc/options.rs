//! How an ORC file is written.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OrcCompression {
    None,
    Zlib,
    #[default]
    Snappy,
}

/// The oldest version of Hive that must be able to read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OrcVersion {
    /// Hive 0.11: integers in the first version of the run length encoding, and dictionaries for every text.
    V0_11,
    #[default]
    V0_12,
}

/// Firehose's OrcSerDe with its documented defaults (API reference, OrcSerDe); the threshold of dictionaries, whose
/// default is not documented there, has that of Apache ORC (`orc.dictionary.key.threshold`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrcOptions {
    pub compression: OrcCompression,
    /// A stripe ends once it holds this many bytes.
    pub stripe_bytes: usize,
    /// The block size of a file system that the file may be copied to. It matters to padding only.
    pub block_bytes: u64,
    /// Rows that share an entry of the index. It must not be 0.
    pub row_index_stride: usize,
    /// Whether a stripe that would lie across two blocks begins with the second one.
    pub padding: bool,
    /// How much of a stripe's size may be wasted for that.
    pub padding_tolerance: f64,
    /// Columns with Bloom filters, whatever the case of their names; a dot leads into a structure. Names that the
    /// schema does not have are passed over.
    pub bloom_filter_columns: Vec<String>,
    /// Which share of the values that are absent a Bloom filter may take for present. Below a millionth it is taken
    /// for a millionth.
    pub bloom_filter_false_positives: f64,
    /// A dictionary is dropped once it has more keys than this share of the values. 1 keeps it always, 0 never.
    pub dictionary_key_threshold: f64,
    pub version: OrcVersion,
}

impl Default for OrcOptions {
    fn default() -> Self {
        Self {
            compression: OrcCompression::Snappy,
            stripe_bytes: 64 << 20,
            block_bytes: 256 << 20,
            row_index_stride: 10_000,
            padding: false,
            padding_tolerance: 0.05,
            bloom_filter_columns: Vec::new(),
            bloom_filter_false_positives: 0.05,
            dictionary_key_threshold: 0.8,
            version: OrcVersion::V0_12,
        }
    }
}
