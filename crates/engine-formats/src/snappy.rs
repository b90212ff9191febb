//! Snappy comes in framings that do not read each other.
//!
//! Sources: snappy-java's `SnappyOutputStream` and `SnappyInputStream`; Hadoop's `BlockCompressorStream` and
//! `SnappyCodec`; Snappy's `framing_format.txt`, which the crate `snap` has.

use std::io::Write;

use crate::FormatError;
use crate::compression::{Bounded, wrong};

pub(crate) const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
pub(crate) const FRAMED_MAGIC: &[u8] = b"\xff\x06\0\0sNaPpY";
/// Version and lowest compatible version, as snappy-java writes them.
pub(crate) const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK_BYTES: usize = 32 << 10;
/// Hadoop reads into a buffer (`io.compression.codec.snappy.buffersize`, 256 KiB unless set) and lets a block be no
/// larger than what surely packs into it: the buffer less the worst growth, a sixth of it and 32 bytes.
const HADOOP_BLOCK_BYTES: usize = (256 << 10) - ((256 << 10) / 6 + 32);

pub(crate) fn raw(data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let packed = snap::raw::Encoder::new().compress_vec(data);
    packed.map_err(|error| FormatError::Encode(error.to_string()))
}

pub(crate) fn read_raw(data: &[u8], out: &mut Bounded) -> Result<(), FormatError> {
    let bytes = snap::raw::decompress_len(data).map_err(|error| wrong("Snappy", &error))?;
    let room = out.room(bytes)?;
    let begin = room.len();
    room.resize(begin + bytes, 0);
    let read = snap::raw::Decoder::new().decompress(data, &mut room[begin..]);
    read.map_err(|error| wrong("Snappy", &error))?;
    Ok(())
}

pub(crate) fn framed(data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let encode = |error: std::io::Error| FormatError::Encode(error.to_string());
    if data.is_empty() {
        return Ok(FRAMED_MAGIC.to_vec());
    }
    let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(data.len() / 2));
    encoder.write_all(data).map_err(encode)?;
    encoder
        .into_inner()
        .map_err(|error| FormatError::Encode(error.error().to_string()))
}

/// Whole chunks of a stream.
pub(crate) fn read_framed(data: impl std::io::Read, out: &mut Bounded) -> Result<(), FormatError> {
    out.read(snap::read::FrameDecoder::new(data), "Snappy's stream")
}

/// The magic, versions, and blocks behind their packed lengths; lengths are big-endian.
pub(crate) fn xerial(data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::with_capacity(data.len() / 2);
    out.extend_from_slice(XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSIONS);
    for block in data.chunks(XERIAL_BLOCK_BYTES) {
        put_packed(block, &mut out)?;
    }
    Ok(out)
}

/// Blocks behind their raw and their packed lengths, big-endian.
pub(crate) fn hadoop(data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::with_capacity(data.len() / 2);
    for block in data.chunks(HADOOP_BLOCK_BYTES) {
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        put_packed(block, &mut out)?;
    }
    Ok(out)
}

/// Whether lengths and blocks follow each other to the end of the data. A raw length may be that of several packed
/// blocks, and it may be none.
pub(crate) fn is_hadoop(mut data: &[u8]) -> bool {
    while !data.is_empty() {
        let Some(mut rest) = take_length(&mut data) else {
            return false;
        };
        while rest > 0 {
            let bytes = take_packed(&mut data).and_then(|packed| snap::raw::decompress_len(packed).ok());
            match bytes
                .filter(|bytes| *bytes > 0)
                .and_then(|bytes| rest.checked_sub(bytes))
            {
                Some(less) => rest = less,
                None => return false,
            }
        }
    }
    true
}

pub(crate) fn put_packed(block: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let packed = raw(block)?;
    out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
    out.extend_from_slice(&packed);
    Ok(())
}

fn take_length(data: &mut &[u8]) -> Option<usize> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    *data = rest;
    Some(u32::from_be_bytes(*length) as usize)
}

fn take_packed<'d>(data: &mut &'d [u8]) -> Option<&'d [u8]> {
    let length = take_length(data)?;
    let (packed, rest) = data.split_at_checked(length)?;
    *data = rest;
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fit_into_the_buffers_of_their_readers() {
        assert!(snap::raw::max_compress_len(HADOOP_BLOCK_BYTES) <= 256 << 10);
        let packed = hadoop(&vec![7; HADOOP_BLOCK_BYTES + 1]).expect("packs");
        assert_eq!(packed[..4], (HADOOP_BLOCK_BYTES as u32).to_be_bytes());
    }
}
