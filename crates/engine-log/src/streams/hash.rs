//! Hash keys: which shard a partition key belongs to.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A point of the 128-bit space that a stream's shards divide among them; written in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashKey(pub u128);

impl HashKey {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self(u128::MAX);

    /// The MD5 of a partition key, read as a big-endian number.
    pub fn of(partition_key: &[u8]) -> Self {
        Self(u128::from_be_bytes(Md5::digest(partition_key).into()))
    }
}

/// Text that is not a decimal number from 0 to 2^128 - 1 without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hash key: a decimal number from 0 to 2^128 - 1")]
pub struct InvalidHashKey(String);

impl FromStr for HashKey {
    type Err = InvalidHashKey;

    fn from_str(text: &str) -> Result<Self, InvalidHashKey> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(InvalidHashKey(text.to_owned())),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<HashKey> for String {
    fn from(key: HashKey) -> Self {
        key.0.to_string()
    }
}

impl TryFrom<String> for HashKey {
    type Error = InvalidHashKey;

    fn try_from(text: String) -> Result<Self, InvalidHashKey> {
        text.parse()
    }
}

/// The whole space in `count` ranges, both ends included: range i begins at i * 2^128 / count, rounded down.
pub(crate) fn even_ranges(count: u32) -> Vec<(HashKey, HashKey)> {
    let count_wide = u128::from(count);
    // 2^128 itself does not fit, so quotient and remainder are taken of 2^128 - 1 and put right.
    let (quotient, remainder) = (u128::MAX / count_wide, u128::MAX % count_wide + 1);
    let start = |index: u32| {
        let index = u128::from(index);
        index * quotient + index * remainder / count_wide
    };
    let end = |index: u32| {
        if index + 1 == count {
            u128::MAX
        } else {
            start(index + 1) - 1
        }
    };
    (0..count)
        .map(|index| (HashKey(start(index)), HashKey(end(index))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_service() {
        let text = |count| {
            let ranges = even_ranges(count).into_iter();
            ranges
                .map(|(start, end)| (start.to_string(), end.to_string()))
                .collect::<Vec<_>>()
        };
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(text(1), [pair("0", "340282366920938463463374607431768211455")]);
        assert_eq!(
            text(3),
            [
                pair("0", "113427455640312821154458202477256070484"),
                pair(
                    "113427455640312821154458202477256070485",
                    "226854911280625642308916404954512140969"
                ),
                pair(
                    "226854911280625642308916404954512140970",
                    "340282366920938463463374607431768211455"
                ),
            ]
        );
        for count in [1, 2, 4, 7, 256, 10_000] {
            let ranges = even_ranges(count);
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (HashKey::MIN, HashKey::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].1.0 + 1 == pair[1].0.0), "{count}");
        }
    }

    #[test]
    fn keys_have_their_form() {
        assert_eq!(HashKey::of(b"").to_string(), "281949768489412648962353822266799178366");
        assert_eq!("340282366920938463463374607431768211455".parse(), Ok(HashKey::MAX));
        for bad in [
            "",
            "-1",
            "+1",
            "01",
            "340282366920938463463374607431768211456",
            "1e3",
            " 1",
        ] {
            assert!(bad.parse::<HashKey>().is_err(), "{bad:?}");
        }
    }
}
