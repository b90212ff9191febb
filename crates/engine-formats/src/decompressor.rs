//! Compressed objects read as their bytes come in.

use std::io::{self, BufRead, ErrorKind, Read};

use bytes::{Buf, Bytes, BytesMut};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::FormatError;
use crate::compression::{Bounded, wrong};
use crate::snappy_blocks::{BLOCK_BYTES_MAX, SnappyBlocks};

/// So much is unpacked at once; blocks of Snappy are unpacked as a whole.
const PIECE_BYTES: usize = 64 << 10;

/// Takes apart what was compressed, little of it at a time, however much it becomes. Streams that follow each other are
/// one object.
pub struct Decompressor {
    codec: Codec,
    decoder: Decoder,
}

#[derive(Debug, Clone, Copy)]
enum Codec {
    Gzip,
    Bzip2,
    Zstd,
    Snappy,
}

enum Decoder {
    Gzip(MultiGzDecoder<Fed>),
    Bzip2(MultiBzDecoder<Fed>),
    Zstd(ZstdDecoder<'static, Fed>),
    Snappy(SnappyBlocks),
}

impl Codec {
    fn of(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Self::Gzip,
            "bz2" => Self::Bzip2,
            "zst" | "zstd" => Self::Zstd,
            "snappy" | "sz" => Self::Snappy,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Snappy => "Snappy",
        }
    }
}

impl Decompressor {
    /// Whether an object is compressed, by the ending of its name: the way in which Hadoop tells it of text.
    #[must_use]
    pub fn is_for(name: &str) -> bool {
        Codec::of(name).is_some()
    }

    /// By the ending of the object's name; none where that tells nothing. Under `.snappy` come all framings of Snappy,
    /// but not single blocks without any.
    pub fn named(name: &str) -> Result<Option<Self>, FormatError> {
        let Some(codec) = Codec::of(name) else {
            return Ok(None);
        };
        let fed = Fed::default();
        let decoder = match codec {
            Codec::Gzip => Decoder::Gzip(MultiGzDecoder::new(fed)),
            Codec::Bzip2 => Decoder::Bzip2(MultiBzDecoder::new(fed)),
            Codec::Zstd => {
                let decoder = ZstdDecoder::with_buffer(fed);
                Decoder::Zstd(decoder.map_err(|error| wrong(codec.name(), &error))?)
            }
            Codec::Snappy => Decoder::Snappy(SnappyBlocks::new(None)),
        };
        Ok(Some(Self { codec, decoder }))
    }

    /// Takes bytes when [`Self::read`] has asked for more.
    pub fn feed(&mut self, bytes: Bytes) {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut().bytes = bytes,
            Decoder::Bzip2(decoder) => decoder.get_mut().bytes = bytes,
            Decoder::Zstd(decoder) => decoder.get_mut().bytes = bytes,
            Decoder::Snappy(blocks) => blocks.feed(&bytes),
        }
    }

    /// No more bytes come.
    pub fn finish(&mut self) {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut().ended = true,
            Decoder::Bzip2(decoder) => decoder.get_mut().ended = true,
            Decoder::Zstd(decoder) => decoder.get_mut().ended = true,
            Decoder::Snappy(blocks) => blocks.finish(),
        }
    }

    /// Appends some of what was packed; false where more bytes are needed, or all is read. What is broken or cut off is
    /// refused as [`FormatError::Decode`].
    pub fn read(&mut self, out: &mut BytesMut) -> Result<bool, FormatError> {
        let reader: &mut dyn Read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder,
            Decoder::Bzip2(decoder) => decoder,
            Decoder::Zstd(decoder) => decoder,
            Decoder::Snappy(blocks) => {
                let mut block = Bounded::new(BLOCK_BYTES_MAX);
                let more = blocks.next(&mut block)?;
                out.extend_from_slice(&block.into_bytes());
                return Ok(more);
            }
        };
        let begin = out.len();
        out.resize(begin + PIECE_BYTES, 0);
        let read = reader.read(&mut out[begin..]);
        out.truncate(begin + read.as_ref().map_or(0, |bytes| *bytes));
        match read {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(wrong(self.codec.name(), &error)),
        }
    }
}

/// The bytes that a decoder reads from: when there are none it is told to come again, unless no more come.
#[derive(Default)]
struct Fed {
    bytes: Bytes,
    ended: bool,
}

impl BufRead for Fed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
    }
}

impl Read for Fed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(out)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compression;

    const ALL: [(Compression, &str); 6] = [
        (Compression::Gzip, "a.b.GZ"),
        (Compression::Bzip2, "a.bz2"),
        (Compression::Zstd, "a.zst"),
        (Compression::Snappy, "a.snappy"),
        (Compression::HadoopSnappy, "a.snappy"),
        (Compression::FramedSnappy, "a.sz"),
    ];

    fn read(name: &str, packed: &[u8], piece_bytes: usize) -> Result<Vec<u8>, FormatError> {
        let mut decompressor = Decompressor::named(name)?.expect("a codec");
        let mut out = BytesMut::new();
        for piece in packed.chunks(piece_bytes) {
            decompressor.feed(Bytes::copy_from_slice(piece));
            while decompressor.read(&mut out)? {}
        }
        decompressor.finish();
        while decompressor.read(&mut out)? {}
        Ok(out.to_vec())
    }

    #[test]
    fn pieces_of_any_size() {
        let lines: Vec<u8> = (0..40_000_u32)
            .flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes())
            .collect();
        for (compression, name) in ALL {
            for sample in [&b""[..], b"x", &lines] {
                let packed = compression.compress(sample.to_vec(), "entry").expect("packs");
                let twice = [packed.as_slice(), &packed].concat();
                for piece_bytes in [1, 7, 4096, 1 << 20] {
                    assert!(
                        read(name, &packed, piece_bytes).expect("reads") == sample,
                        "{compression:?} {piece_bytes}"
                    );
                    let both = read(name, &twice, piece_bytes).expect("reads");
                    assert!(both == [sample, sample].concat(), "{compression:?} {piece_bytes}");
                }
            }
            let packed = compression.compress(lines.clone(), "entry").expect("packs");
            for broken in [
                &packed[..packed.len() - 1],
                &packed[..packed.len() / 2],
                b"plain text\n",
            ] {
                let refused = read(name, broken, 100);
                assert!(matches!(refused, Err(FormatError::Decode(_))), "{compression:?}");
            }
        }
        assert!(Decompressor::named("a.csv").expect("a name").is_none());
        assert!(Decompressor::named("gz").expect("a name").is_none());
    }

    /// However much a piece becomes, little of it is held.
    #[test]
    fn bombs_come_in_pieces() {
        for (compression, name) in ALL {
            let packed = compression.compress(vec![0; 64 << 20], "entry").expect("packs");
            let mut decompressor = Decompressor::named(name).expect("a name").expect("a codec");
            decompressor.feed(packed.into());
            decompressor.finish();
            let (mut out, mut total) = (BytesMut::new(), 0);
            while decompressor.read(&mut out).expect("reads") {
                assert!(out.len() <= 256 << 10, "{compression:?}");
                total += out.len();
                out.clear();
            }
            assert_eq!(total, 64 << 20);
        }
    }
}
