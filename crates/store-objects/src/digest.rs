//! MD5 and the checksums that S3 knows.

use std::fmt;

use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A checksum of an object's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether the checksum of a whole follows from the checksums of its parts.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// Bytes of the checksum, big-endian where it is a number.
    pub fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The checksum of two contents one behind the other; `None` where it does not follow from theirs.
    pub(crate) fn combine(self, first: &[u8], second: &[u8], second_bytes: u64) -> Option<Vec<u8>> {
        let crc = crc_fast::checksum_combine(self.crc()?, be_u64(first), be_u64(second), second_bytes);
        Some(crc.to_be_bytes()[8 - self.width()..].to_vec())
    }
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        })
    }
}

/// A checksum's value as it is kept with the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: Algorithm,
    /// The raw bytes, big-endian where the checksum is a number.
    #[serde(with = "hex_bytes")]
    pub value: Vec<u8>,
    /// Of a multipart object whose checksum is the checksum of its parts' checksums: how many parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite_of: Option<u32>,
}

impl Checksum {
    pub fn full(algorithm: Algorithm, value: Vec<u8>) -> Self {
        Self {
            algorithm,
            value,
            composite_of: None,
        }
    }
}

pub(crate) mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

enum Running {
    Crc(crc_fast::Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

/// Computes MD5 and one checksum as the content goes by.
pub(crate) struct Digests {
    md5: Md5,
    algorithm: Algorithm,
    running: Running,
}

impl Digests {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let running = match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Running::Crc(crc_fast::Digest::new(crc)),
            (None, Algorithm::Sha1) => Running::Sha1(sha1::Sha1::new()),
            (None, _) => Running::Sha256(sha2::Sha256::new()),
        };
        Self {
            md5: Md5::new(),
            algorithm,
            running,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        match &mut self.running {
            Running::Crc(crc) => crc.update(bytes),
            Running::Sha1(sha) => sha.update(bytes),
            Running::Sha256(sha) => sha.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> ([u8; 16], Checksum) {
        let value = match self.running {
            Running::Crc(crc) => crc.finalize().to_be_bytes()[8 - self.algorithm.width()..].to_vec(),
            Running::Sha1(sha) => sha.finalize().to_vec(),
            Running::Sha256(sha) => sha.finalize().to_vec(),
        };
        (self.md5.finalize().into(), Checksum::full(self.algorithm, value))
    }
}

/// The checksum of `bytes`.
pub fn checksum(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let mut digests = Digests::new(algorithm);
    digests.update(bytes);
    digests.finish().1.value
}

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_the_values_that_their_definitions_give() {
        for (algorithm, expect) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                Algorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            assert_eq!(hex::encode(checksum(algorithm, b"123456789")), expect, "{algorithm}");
            if algorithm.combines() {
                let (first, second) = (checksum(algorithm, b"1234"), checksum(algorithm, b"56789"));
                assert_eq!(
                    hex::encode(algorithm.combine(&first, &second, 5).expect("combines")),
                    expect
                );
            }
        }
    }
}
