//! Compression of pages.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use parquet::basic::{Compression as Codec, GzipLevel};
use parquet::errors::ParquetError;

use super::ParquetCompression;

pub(super) struct Compressor {
    compression: ParquetCompression,
    snappy: snap::raw::Encoder,
    /// Where pages are compressed to, before it is known how small they get.
    room: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(compression: ParquetCompression) -> Self {
        Self {
            compression,
            snappy: snap::raw::Encoder::new(),
            room: Vec::new(),
        }
    }

    pub(super) fn codec(&self) -> Codec {
        match self.compression {
            ParquetCompression::Uncompressed => Codec::UNCOMPRESSED,
            ParquetCompression::Gzip => Codec::GZIP(GzipLevel::default()),
            ParquetCompression::Snappy => Codec::SNAPPY,
        }
    }

    pub(super) fn compresses(&self) -> bool {
        self.compression != ParquetCompression::Uncompressed
    }

    pub(super) fn compress(&mut self, page: &[u8]) -> Result<Bytes, ParquetError> {
        match self.compression {
            ParquetCompression::Uncompressed => Ok(Bytes::copy_from_slice(page)),
            ParquetCompression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Level::default());
                encoder.write_all(page)?;
                Ok(encoder.finish()?.into())
            }
            ParquetCompression::Snappy => {
                let bytes_max = snap::raw::max_compress_len(page.len());
                if self.room.len() < bytes_max {
                    self.room.resize(bytes_max, 0);
                }
                let bytes = self.snappy.compress(page, &mut self.room);
                let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
                Ok(Bytes::copy_from_slice(&self.room[..bytes]))
            }
        }
    }
}
