//! Bloom filters, one a row group, in the encoding that Apache ORC reads (`BLOOM_FILTER_UTF8`).
//!
//! The hashes and the way from a hash to bits are those of the specification, "Bloom Filter Index"; the seed is that
//! of Apache ORC.

use crate::protobuf::Message;

const MURMUR_SEED: u64 = 104_729;
const FALSE_POSITIVES_MIN: f64 = 1e-6;
const FALSE_POSITIVES_MAX: f64 = 1.0 - 1e-6;

#[derive(Debug)]
pub(super) struct BloomFilter {
    words: Vec<u64>,
    hashes: u32,
    /// `BloomFilterIndex`: the filters of the row groups before.
    index: Message,
}

impl BloomFilter {
    /// For as many values as a row group has rows.
    pub(super) fn new(values: usize, false_positives: f64) -> Self {
        let values = values.max(1) as f64;
        let share = false_positives.clamp(FALSE_POSITIVES_MIN, FALSE_POSITIVES_MAX);
        let ln_2 = std::f64::consts::LN_2;
        let words = (-values * share.ln() / (ln_2 * ln_2) / 64.0) as usize + 1;
        let hashes = (64.0 * words as f64 / values * ln_2).round().max(1.0) as u32;
        Self {
            words: vec![0; words],
            hashes,
            index: Message::default(),
        }
    }

    pub(super) fn add_integer(&mut self, value: i64) {
        self.add_hash(wang(value));
    }

    /// Readers look for the bits of a number. Java has one pattern for what is no number; of the zeros, which are equal
    /// to queries, they look for either.
    pub(super) fn add_double(&mut self, value: f64) {
        let value = if value.is_nan() { f64::NAN } else { value };
        self.add_integer(value.to_bits().cast_signed());
        if value == 0.0 {
            self.add_integer((-value).to_bits().cast_signed());
        }
    }

    pub(super) fn add_bytes(&mut self, value: &[u8]) {
        self.add_hash(murmur(value));
    }

    fn add_hash(&mut self, hash: u64) {
        let (first, second) = (hash as i32, (hash >> 32) as i32);
        let bits = 64 * self.words.len();
        for k in 1..=self.hashes {
            let combined = first.wrapping_add((k as i32).wrapping_mul(second));
            let combined = if combined < 0 { !combined } else { combined };
            let bit = combined as usize % bits;
            self.words[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(super) fn end_group(&mut self) {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut filter = Message::default();
        filter.uint(1, u64::from(self.hashes));
        filter.bytes(3, &bytes);
        self.index.message(1, &filter);
        self.words.fill(0);
    }

    /// `BloomFilterIndex` of a stripe.
    pub(super) fn finish(&mut self) -> Message {
        std::mem::take(&mut self.index)
    }
}

/// Thomas Wang's hash of 64-bit integers.
fn wang(value: i64) -> u64 {
    let mut key = (!value).wrapping_add(value << 21);
    key ^= key >> 24;
    key = key.wrapping_add(key << 3).wrapping_add(key << 8);
    key ^= key >> 14;
    key = key.wrapping_add(key << 2).wrapping_add(key << 4);
    key ^= key >> 28;
    key.wrapping_add(key << 31).cast_unsigned()
}

/// The 64-bit variant of Murmur3 that Hive and ORC have: one lane of the 128-bit hash.
fn murmur(bytes: &[u8]) -> u64 {
    let mix = |block: u64| {
        block
            .wrapping_mul(0x87c3_7b91_1142_53d5)
            .rotate_left(31)
            .wrapping_mul(0x4cf5_ad43_2745_937f)
    };
    let (blocks, tail) = bytes.as_chunks::<8>();
    let mut hash = MURMUR_SEED;
    for block in blocks {
        hash ^= mix(u64::from_le_bytes(*block));
        hash = hash.rotate_left(27).wrapping_mul(5).wrapping_add(0x52dc_e729);
    }
    if !tail.is_empty() {
        let mut block = [0; 8];
        block[..tail.len()].copy_from_slice(tail);
        hash ^= mix(u64::from_le_bytes(block));
    }
    hash ^= bytes.len() as u64;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
