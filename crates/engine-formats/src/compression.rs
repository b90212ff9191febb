//! Compression of whole objects, each as the readers and writers of that format expect it.
//!
//! Sources: RFC 1952 (gzip), PKWARE's APPNOTE (zip), RFC 8878 (zstd), bzip2's manual; Snappy's framings in `snappy`.

use std::io::{Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::snappy_blocks::{Framing, SnappyBlocks};
use crate::{FormatError, snappy, zip_file};

/// How an object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    /// An archive; one that is written has one deflated entry.
    Zip,
    /// snappy-java's stream ("xerial").
    Snappy,
    /// Hadoop's blocks.
    HadoopSnappy,
    /// Snappy's own stream (`framing_format.txt`).
    FramedSnappy,
    /// One block without any framing.
    RawSnappy,
    Zstd,
    Bzip2,
}

/// Beginnings that nothing else has, and where the second, if there is one, stands.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 8];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2_MAGIC: &[u8] = b"BZh";
/// Behind bzip2's magic and its block size stands either the first block's mark or, of nothing, the end's.
const BZIP2_MARKS: [&[u8]; 2] = [
    &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
    &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90],
];

impl Compression {
    /// What the object's name ends with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zip => ".zip",
            Self::Snappy | Self::HadoopSnappy | Self::RawSnappy => ".snappy",
            Self::FramedSnappy => ".sz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
        }
    }

    /// The `Content-Encoding` that Firehose gives to objects, seen on the service; none for what it does not write.
    #[must_use]
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zip => Some("zip"),
            Self::Snappy => Some("snappy-java"),
            Self::HadoopSnappy => Some("hadoop-snappy"),
            Self::None | Self::RawSnappy | Self::FramedSnappy | Self::Zstd | Self::Bzip2 => None,
        }
    }

    /// How the object `name` that consists of `data` is compressed: by the bytes that it begins with, and where these
    /// tell nothing by its name. `data` must be all of it, as two framings of Snappy have no beginning of their own.
    #[must_use]
    pub fn detect(name: &str, data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::None;
        }
        if let Some(found) = Self::of_magic(data) {
            return found;
        }
        let (_, extension) = name.rsplit_once('.').unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Self::Gzip,
            "zip" => Self::Zip,
            "snappy" | "sz" if snappy::is_hadoop(data) => Self::HadoopSnappy,
            "snappy" | "sz" => Self::RawSnappy,
            "zst" | "zstd" => Self::Zstd,
            "bz2" | "bz" => Self::Bzip2,
            _ => Self::None,
        }
    }

    fn of_magic(data: &[u8]) -> Option<Self> {
        let bzip2 = |data: &[u8]| {
            let (level, rest) = data.strip_prefix(BZIP2_MAGIC)?.split_first()?;
            (matches!(level, b'1'..=b'9') && BZIP2_MARKS.iter().any(|mark| rest.starts_with(mark))).then_some(())
        };
        Some(match data {
            _ if data.starts_with(GZIP_MAGIC) => Self::Gzip,
            _ if zip_file::is_archive(data) => Self::Zip,
            _ if data.starts_with(snappy::XERIAL_MAGIC) => Self::Snappy,
            _ if data.starts_with(snappy::FRAMED_MAGIC) => Self::FramedSnappy,
            _ if data.starts_with(ZSTD_MAGIC) => Self::Zstd,
            _ if bzip2(data).is_some() => Self::Bzip2,
            _ => return None,
        })
    }

    /// Compresses a whole object. `entry` names the one entry of an archive.
    pub fn compress(self, data: Vec<u8>, entry: &str) -> Result<Vec<u8>, FormatError> {
        let encode = |error: std::io::Error| FormatError::Encode(error.to_string());
        let small = || Vec::with_capacity(data.len() / 4);
        match self {
            Self::None => Ok(data),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(small(), flate2::Compression::default());
                encoder.write_all(&data).and_then(|()| encoder.finish()).map_err(encode)
            }
            Self::Zip => zip_file::one_entry(entry, &data),
            Self::Snappy => snappy::xerial(&data),
            Self::HadoopSnappy => snappy::hadoop(&data),
            Self::FramedSnappy => snappy::framed(&data),
            Self::RawSnappy => snappy::raw(&data),
            Self::Zstd => zstd::bulk::compress(&data, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(encode),
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(small(), bzip2::Compression::default());
                encoder.write_all(&data).and_then(|()| encoder.finish()).map_err(encode)
            }
        }
    }

    /// What was compressed. Anything of more than `bytes_max` bytes is refused as [`FormatError::TooLarge`] before
    /// much more than that is held, and anything else that it is not as [`FormatError::Decode`]. Streams that follow
    /// each other are one object, as are an archive's entries.
    pub fn decompress(self, data: &[u8], bytes_max: usize) -> Result<Vec<u8>, FormatError> {
        let mut out = Bounded::new(bytes_max);
        match self {
            Self::None => out.extend(data)?,
            Self::Gzip => out.read(MultiGzDecoder::new(data), "gzip")?,
            Self::Zip => zip_file::read_entries(data, &mut out)?,
            Self::Snappy => SnappyBlocks::read_all(data, Framing::Xerial, &mut out)?,
            Self::HadoopSnappy => SnappyBlocks::read_all(data, Framing::Hadoop, &mut out)?,
            Self::FramedSnappy => snappy::read_framed(data, &mut out)?,
            Self::RawSnappy => snappy::read_raw(data, &mut out)?,
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(data);
                out.read(decoder.map_err(|error| wrong("zstd", &error))?, "zstd")?;
            }
            Self::Bzip2 => out.read(bzip2::read::MultiBzDecoder::new(data), "bzip2")?,
        }
        Ok(out.into_bytes())
    }
}

/// That the data is not of a format, and why.
pub(crate) fn wrong(format: &str, why: &dyn std::fmt::Display) -> FormatError {
    FormatError::Decode(format!("it is not {format}: {why}"))
}

/// Bytes that must not become more than so many.
pub(crate) struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Bounded {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn from(&self, begin: usize) -> &[u8] {
        self.bytes.get(begin..).unwrap_or_default()
    }

    pub(crate) fn extend(&mut self, more: &[u8]) -> Result<(), FormatError> {
        self.room(more.len())?.extend_from_slice(more);
        Ok(())
    }

    /// Where `more` bytes may be put.
    pub(crate) fn room(&mut self, more: usize) -> Result<&mut Vec<u8>, FormatError> {
        if more > self.bytes_max - self.bytes.len() {
            return Err(FormatError::TooLarge(self.bytes_max));
        }
        Ok(&mut self.bytes)
    }

    /// All that `reader` has, which reads `format`.
    pub(crate) fn read(&mut self, reader: impl Read, format: &str) -> Result<(), FormatError> {
        let room = self.bytes_max - self.bytes.len();
        let read = reader.take(room as u64 + 1).read_to_end(&mut self.bytes);
        read.map_err(|error| wrong(format, &error))?;
        if self.bytes.len() > self.bytes_max {
            return Err(FormatError::TooLarge(self.bytes_max));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 9] = [
        Compression::None,
        Compression::Gzip,
        Compression::Zip,
        Compression::Snappy,
        Compression::HadoopSnappy,
        Compression::FramedSnappy,
        Compression::RawSnappy,
        Compression::Zstd,
        Compression::Bzip2,
    ];

    fn samples() -> [Vec<u8>; 4] {
        let lines = (0..60_000_u32).flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes());
        [Vec::new(), b"x".to_vec(), lines.collect(), vec![0; 300_000]]
    }

    #[test]
    fn each_is_told_apart_and_reads_back() {
        for compression in ALL {
            for sample in samples() {
                let packed = compression.compress(sample.clone(), "entry").expect("packs");
                let name = format!("object{}", compression.extension());
                // Two of the kinds make nothing of nothing.
                if !packed.is_empty() {
                    assert_eq!(Compression::detect(&name, &packed), compression);
                    let by_bytes = Compression::detect("object", &packed);
                    let by_name = [Compression::HadoopSnappy, Compression::RawSnappy];
                    assert!(by_bytes == compression || by_name.contains(&compression));
                }
                let read = compression.decompress(&packed, sample.len()).expect("reads");
                assert!(read == sample, "{compression:?}");
                if let Some(less) = sample.len().checked_sub(1) {
                    let refused = compression.decompress(&packed, less);
                    assert!(
                        matches!(refused, Err(FormatError::TooLarge(_))),
                        "{compression:?}: {refused:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn streams_that_follow_each_other_are_one() {
        for compression in ALL {
            if matches!(compression, Compression::Zip | Compression::RawSnappy) {
                continue;
            }
            let pack = |text: &str| compression.compress(text.into(), "entry").expect("packs");
            let both = [pack("one"), pack("two")].concat();
            assert_eq!(
                compression.decompress(&both, 6).expect("reads"),
                b"onetwo",
                "{compression:?}"
            );
        }
    }

    #[test]
    fn what_is_broken_is_refused() {
        for compression in ALL.into_iter().filter(|compression| *compression != Compression::None) {
            let packed = compression.compress(samples()[2].clone(), "entry").expect("packs");
            for broken in [
                &packed[..packed.len() - 1],
                &packed[..packed.len() / 2],
                b"plain text\n".as_slice(),
            ] {
                let refused = compression.decompress(broken, 1 << 20);
                assert!(
                    matches!(refused, Err(FormatError::Decode(_))),
                    "{compression:?}: {:?}",
                    refused.map(|b| b.len())
                );
            }
        }
    }

    /// A bomb of each kind that packs tightly: nothing near its size is held.
    #[test]
    fn bombs_are_refused() {
        for compression in [
            Compression::Gzip,
            Compression::Zip,
            Compression::Zstd,
            Compression::Bzip2,
        ] {
            let packed = compression.compress(vec![0; 64 << 20], "entry").expect("packs");
            let mut out = Bounded::new(1 << 20);
            let refused = match compression {
                Compression::Zip => zip_file::read_entries(&packed, &mut out),
                Compression::Gzip => out.read(MultiGzDecoder::new(packed.as_slice()), "gzip"),
                Compression::Bzip2 => out.read(bzip2::read::MultiBzDecoder::new(packed.as_slice()), "bzip2"),
                _ => out.read(
                    zstd::stream::read::Decoder::new(packed.as_slice()).expect("a decoder"),
                    "zstd",
                ),
            };
            assert!(matches!(refused, Err(FormatError::TooLarge(_))));
            assert!(out.bytes.capacity() <= 4 << 20, "{}", out.bytes.capacity());
        }
    }
}
