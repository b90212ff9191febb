//! ORC files, by the ORC v1 specification (orc.apache.org/specification/ORCv1) and the format's `orc_proto.proto`.
//!
//! A file is a header, stripes of rows, and a tail of metadata. A stripe holds, column by column, an index, the
//! streams that each type is made of, and a footer that lists them. `column` is a column with its streams, which are
//! encoded by `bytes`, `integers` (`rle_v1`, `rle_v2`), `present`, `text` and `timestamps`, and compressed by
//! `stream`; `writer` puts stripes and tail together.

mod bloom;
mod bytes;
mod column;
mod integers;
mod options;
mod present;
mod rle_v1;
mod rle_v2;
mod statistics;
mod stream;
mod text;
mod timestamps;
mod types;
mod values;
mod writer;

pub use options::{OrcCompression, OrcOptions, OrcVersion};
pub use writer::OrcWriter;

use crate::protobuf::Message;

/// `Stream.Kind` of the format's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamKind {
    Present = 0,
    Data = 1,
    Length = 2,
    DictionaryData = 3,
    Secondary = 5,
    RowIndex = 6,
    BloomFilterUtf8 = 8,
}

/// A finished stream and the number of its column.
struct ColumnStream {
    kind: StreamKind,
    column: u32,
    bytes: Vec<u8>,
}

/// What the columns of a stripe are made of, each list in the order of the columns' numbers.
#[derive(Default)]
struct StripeParts {
    index: Vec<ColumnStream>,
    data: Vec<ColumnStream>,
    /// `ColumnEncoding`.
    encodings: Vec<Message>,
    /// `ColumnStatistics`.
    statistics: Vec<Message>,
}
