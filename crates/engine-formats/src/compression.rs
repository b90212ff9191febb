//! Compression of delivered objects, each as the readers of that format expect it.
//!
//! Snappy comes in framings that do not read each other: the stream of snappy-java ("xerial"), and Hadoop's
//! blocks. Sources: snappy-java's SnappyOutputStream, Hadoop's BlockCompressorStream, RFC 1952.

use std::io::Write;

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::FormatError;
use crate::zip_file;

/// How an object of text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    /// An archive with one deflated entry.
    Zip,
    /// snappy-java's stream.
    Snappy,
    /// Hadoop's blocks.
    HadoopSnappy,
}

const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
/// Version and lowest compatible version, as snappy-java writes them.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK_BYTES: usize = 32 << 10;
/// Hadoop reads into a buffer of 256 KiB and lets a block be no larger than what surely packs into it: the buffer less
/// the worst growth, a sixth of it and 32 bytes (SnappyCodec.createOutputStream).
const HADOOP_BLOCK_BYTES: usize = (256 << 10) - ((256 << 10) / 6 + 32);

impl Compression {
    /// What the object's name ends with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zip => ".zip",
            Self::Snappy | Self::HadoopSnappy => ".snappy",
        }
    }

    /// Compresses a whole object. `entry` names the one entry of an archive.
    pub fn compress(self, data: Vec<u8>, entry: &str) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::None => Ok(data),
            Self::Gzip => gzip(&data),
            Self::Zip => zip_file::one_entry(entry, &data),
            Self::Snappy => {
                let mut out = Vec::with_capacity(data.len() / 2);
                out.extend_from_slice(XERIAL_MAGIC);
                out.extend_from_slice(&XERIAL_VERSIONS);
                blocks(&data, XERIAL_BLOCK_BYTES, &mut out, false)?;
                Ok(out)
            }
            Self::HadoopSnappy => {
                let mut out = Vec::with_capacity(data.len() / 2);
                blocks(&data, HADOOP_BLOCK_BYTES, &mut out, true)?;
                Ok(out)
            }
        }
    }
}

fn gzip(data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 4), flate2::Compression::default());
    encoder
        .write_all(data)
        .and_then(|()| encoder.finish())
        .map_err(|error| FormatError::Encode(error.to_string()))
}

/// Blocks of raw snappy, each behind its compressed length and, for Hadoop, its raw length before that; all
/// lengths are big-endian.
fn blocks(data: &[u8], block_bytes: usize, out: &mut Vec<u8>, raw_length: bool) -> Result<(), FormatError> {
    let mut encoder = snap::raw::Encoder::new();
    for block in data.chunks(block_bytes) {
        let packed = encoder
            .compress_vec(block)
            .map_err(|error| FormatError::Encode(error.to_string()))?;
        if raw_length {
            out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        }
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sample() -> Vec<u8> {
        (0..200_000_u32)
            .flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes())
            .collect()
    }

    #[test]
    fn gzip_reads_back() {
        let packed = Compression::Gzip.compress(sample(), "x").expect("packs");
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut read)
            .expect("reads");
        assert_eq!(read, sample());
    }

    #[test]
    fn snappy_framings_read_back_block_by_block() {
        for (compression, header, raw_length) in
            [(Compression::Snappy, 16, false), (Compression::HadoopSnappy, 0, true)]
        {
            let packed = compression.compress(sample(), "x").expect("packs");
            let mut rest = &packed[header..];
            let mut read = Vec::new();
            let length = |rest: &mut &[u8]| {
                let (head, tail) = rest.split_first_chunk::<4>().expect("a length");
                *rest = tail;
                u32::from_be_bytes(*head) as usize
            };
            while !rest.is_empty() {
                let raw = raw_length.then(|| length(&mut rest));
                let packed = length(&mut rest);
                let block = snap::raw::Decoder::new()
                    .decompress_vec(&rest[..packed])
                    .expect("a block");
                assert!(raw.is_none_or(|raw| raw == block.len() && snap::raw::max_compress_len(raw) <= 256 << 10));
                read.extend(block);
                rest = &rest[packed..];
            }
            assert_eq!(read, sample());
        }
    }
}
