//! Sequence numbers: 47 hexadecimal digits, written as a decimal number of 56.
//!
//! `2` | second the shard was created (9 digits) | last digit of the shard (1) | index (16) | `00` | second of
//! arrival (9) | shard (8) | `2`. The index is the log offset plus one, so the number alone leads to the record
//! and no map is kept; index 0 stands for the place before a shard's first record.

use engine_log::streams::ShardInfo;

const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;
pub(crate) const DIGITS: usize = 56;
/// The index of the end of a closed shard.
const INDEX_MAX: u64 = i64::MAX as u64;
/// What one step of the index, 2^80, adds to the two lower chunks.
const STEP: [u64; 2] = [5_819_614_629_174_706_176, 120_892];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) created_s: u64,
    pub(crate) shard: u32,
    pub(crate) index: u64,
    pub(crate) arrival_s: u64,
}

/// The decimal digits of a sequence number in three groups, lowest first, which make the next record's number
/// one addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal([u64; 3]);

impl Sequence {
    pub(crate) fn of_record(shard: &ShardInfo, offset: u64, arrival_ms: i64) -> Self {
        Self {
            created_s: shard.numbered_from_s,
            shard: shard.number,
            index: offset + 1,
            arrival_s: seconds(arrival_ms),
        }
    }

    /// Before the first record.
    pub(crate) fn start_of(shard: &ShardInfo) -> Self {
        let created_s = shard.numbered_from_s;
        Self {
            created_s,
            shard: shard.number,
            index: 0,
            arrival_s: created_s,
        }
    }

    /// Behind the last record of a closed shard.
    pub(crate) fn end_of(shard: &ShardInfo) -> Option<Self> {
        let closed = shard.closed?;
        Some(Self {
            index: INDEX_MAX,
            arrival_s: seconds(closed.at_ms),
            ..Self::start_of(shard)
        })
    }

    /// The offset of the record with this number, or of the shard's first.
    pub(crate) fn offset(self) -> u64 {
        self.index.saturating_sub(1)
    }

    /// Whether the number can be one of this shard.
    pub(crate) fn is_of(self, shard: &ShardInfo) -> bool {
        self.shard == shard.number && self.created_s == shard.numbered_from_s
    }

    pub(crate) fn decimal(self) -> Decimal {
        let low = 2 | u128::from(self.shard) << 4 | u128::from(self.arrival_s) << 36 | u128::from(self.index) << 80;
        let high = self.index >> 48 | u64::from(self.shard & 0xF) << 16 | self.created_s << 20 | 2 << 56;
        let mut limbs = [low as u64, (low >> 64) as u64, high];
        let mut chunks = [0; 3];
        for chunk in &mut chunks {
            let mut rest = 0u128;
            for limb in limbs.iter_mut().rev() {
                let part = rest << 64 | u128::from(*limb);
                *limb = (part / u128::from(CHUNK)) as u64;
                rest = part % u128::from(CHUNK);
            }
            *chunk = rest as u64;
        }
        Decimal(chunks)
    }

    /// Reads a number as this service makes them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > DIGITS || text.is_empty() {
            return None;
        }
        let mut limbs = [0u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
            for limb in &mut limbs {
                let part = u128::from(*limb) * 10 + carry;
                *limb = part as u64;
                carry = part >> 64;
            }
        }
        let low = u128::from(limbs[1]) << 64 | u128::from(limbs[0]);
        let high = limbs[2];
        let shard = (low >> 4) as u32;
        let sound = low & 0xF == 2
            && (low >> 72) & 0xFF == 0
            && high >> 56 == 2
            && (high >> 16) & 0xF == u64::from(shard & 0xF);
        sound.then_some(Self {
            created_s: (high >> 20) & 0xF_FFFF_FFFF,
            shard,
            index: (high & 0xFFFF) << 48 | (low >> 80) as u64 & 0xFFFF_FFFF_FFFF,
            arrival_s: (low >> 36) as u64 & 0xF_FFFF_FFFF,
        })
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.decimal().fmt(f)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::with_capacity(DIGITS);
        self.write(&mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Decimal {
    /// The number of the record `count` offsets further on with the same arrival.
    pub(crate) fn plus(self, count: u64) -> Self {
        let low = u128::from(STEP[0]) * u128::from(count) + u128::from(self.0[0]);
        let middle = u128::from(STEP[1]) * u128::from(count) + u128::from(self.0[1]) + low / u128::from(CHUNK);
        let high = self.0[2] + (middle / u128::from(CHUNK)) as u64;
        Self([
            (low % u128::from(CHUNK)) as u64,
            (middle % u128::from(CHUNK)) as u64,
            high,
        ])
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let at = out.len();
        out.resize(at + DIGITS, b'0');
        let (mut digits, chunks) = (&mut out[at..], self.0);
        for mut chunk in chunks {
            let (front, back) = digits.split_at_mut(digits.len().saturating_sub(CHUNK_DIGITS));
            for digit in back.iter_mut().rev() {
                *digit = b'0' + (chunk % 10) as u8;
                chunk /= 10;
            }
            digits = front;
        }
    }
}

fn seconds(ms: i64) -> u64 {
    (ms / 1000).clamp(0, 0xF_FFFF_FFFF) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_of_the_real_service_reads_as_its_parts() {
        // From a public error report: shard 0, of the year 2015.
        let parsed =
            Sequence::parse("49551532098093284204238000035066183240246145871536717826").expect("a sequence number");
        assert_eq!(parsed.shard, 0);
        assert!((1_400_000_000..1_700_000_000).contains(&parsed.created_s), "{parsed:?}");
        assert_eq!(
            parsed.to_string(),
            "49551532098093284204238000035066183240246145871536717826"
        );
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "0",
            "1",
            "x",
            "49551532098093284204238000035066183240246145871536717827",
            &"9".repeat(129),
        ] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip_order_and_steps(
            created_s in 1_600_000_000u64..1 << 34, shard in any::<u32>(), index in 0u64..1 << 62, arrival_s in 0u64..1 << 36,
            count in 0u64..10_000,
        ) {
            let sequence = Sequence { created_s, shard, index, arrival_s };
            let text = sequence.to_string();
            prop_assert_eq!(text.len(), DIGITS);
            prop_assert_eq!(Sequence::parse(&text), Some(sequence));
            let later = Sequence { index: index + count, ..sequence };
            prop_assert_eq!(sequence.decimal().plus(count), later.decimal());
            prop_assert_eq!(text.cmp(&later.to_string()), 0.cmp(&count));
        }
    }
}
