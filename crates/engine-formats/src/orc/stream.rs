//! Streams of bytes, compressed chunk by chunk.

use std::io::Write;

use flate2::write::DeflateEncoder;

use super::OrcCompression;

/// How many bytes go into a chunk before it is compressed: the format's default.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
const CHUNK_HEADER_BYTES: usize = 3;

#[derive(Debug)]
pub(super) struct Stream {
    compression: OrcCompression,
    /// What can be written to the file as it is.
    done: Vec<u8>,
    /// The chunk that is being filled; always empty where nothing is compressed.
    chunk: Vec<u8>,
}

impl Stream {
    pub(super) fn new(compression: OrcCompression) -> Self {
        Self {
            compression,
            done: Vec::new(),
            chunk: Vec::new(),
        }
    }

    /// The whole of `bytes` as a stream.
    pub(super) fn of(bytes: &[u8], compression: OrcCompression) -> Vec<u8> {
        let mut stream = Self::new(compression);
        stream.write(bytes);
        stream.finish()
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        if self.compression == OrcCompression::None {
            self.done.extend_from_slice(bytes);
            return;
        }
        while self.chunk.len() + bytes.len() >= CHUNK_BYTES {
            let (fits, rest) = bytes.split_at(CHUNK_BYTES - self.chunk.len());
            self.chunk.extend_from_slice(fits);
            self.close_chunk();
            bytes = rest;
        }
        self.chunk.extend_from_slice(bytes);
    }

    /// Where the next byte goes: the chunk's place in the stream and the byte's place in the chunk.
    pub(super) fn position(&self, out: &mut Vec<u64>) {
        out.push(self.done.len() as u64);
        if self.compression != OrcCompression::None {
            out.push(self.chunk.len() as u64);
        }
    }

    /// Bytes held, compressed or not yet.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.done.len() + self.chunk.len()
    }

    /// All that was written; the stream is empty again.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.close_chunk();
        std::mem::take(&mut self.done)
    }

    /// A chunk stands behind three bytes, the lowest first: its length, and in the lowest bit whether it is as it was
    /// because compression did not make it smaller.
    fn close_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let packed = compress(&self.chunk, self.compression).filter(|packed| packed.len() < self.chunk.len());
        let (body, original) = match &packed {
            Some(packed) => (packed, 0),
            None => (&self.chunk, 1),
        };
        let header = (body.len() as u32) << 1 | original;
        self.done.extend_from_slice(&header.to_le_bytes()[..CHUNK_HEADER_BYTES]);
        self.done.extend_from_slice(body);
        self.chunk.clear();
    }
}

/// Nothing, where it cannot be compressed.
fn compress(chunk: &[u8], compression: OrcCompression) -> Option<Vec<u8>> {
    match compression {
        OrcCompression::None => None,
        OrcCompression::Snappy => snap::raw::Encoder::new().compress_vec(chunk).ok(),
        OrcCompression::Zlib => {
            let mut encoder = DeflateEncoder::new(Vec::with_capacity(chunk.len() / 2), flate2::Compression::default());
            encoder.write_all(chunk).ok()?;
            encoder.finish().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's example: 5 bytes that do not compress.
    #[test]
    fn an_original_chunk() {
        assert_eq!(
            Stream::of(b"abcde", OrcCompression::Snappy),
            [&[0x0b, 0, 0], b"abcde".as_slice()].concat()
        );
    }

    #[test]
    fn chunks_end_where_they_are_full() {
        let mut stream = Stream::new(OrcCompression::Zlib);
        stream.write(&vec![0; CHUNK_BYTES + 7]);
        let mut position = Vec::new();
        stream.position(&mut position);
        let first = stream.done.len() as u64;
        assert!(first > 0);
        assert_eq!(position, [first, 7]);
        assert!(Stream::of(b"", OrcCompression::Zlib).is_empty());
    }
}
