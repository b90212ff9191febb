//! Dictionaries in the making: which values there were, and by what number each of them goes.
//!
//! The tables are open-addressed. Whoever writes records could choose values that all belong into one place; after so
//! many steps from there a value is entered a second time and the dictionary is given up at the next opportunity.

use super::fixed::FixedValue;

const PROBES_MAX: usize = 64;
const SLOTS_MIN: usize = 1 << 10;
/// Both odd, and otherwise of no meaning.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const MIXER: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// Where in a table a hash belongs, by its upper half.
#[inline]
fn home(hash: u64, slots: usize) -> usize {
    (((hash >> 32) * slots as u64) >> 32) as usize
}

/// A dictionary of numbers.
pub(super) struct FixedDictionary<T> {
    /// Of each place in the table, the number of the value that is there, counted from 1, or 0.
    table: Vec<u32>,
    values: Vec<T>,
    exhausted: bool,
}

impl<T: FixedValue> FixedDictionary<T> {
    pub(super) fn new() -> Self {
        Self {
            table: vec![0; SLOTS_MIN],
            values: Vec::new(),
            exhausted: false,
        }
    }

    #[inline]
    pub(super) fn number(&mut self, value: T) -> u32 {
        let bits = value.bits();
        let mut slot = home(Self::hash(bits), self.table.len());
        for _ in 0..PROBES_MAX {
            match self.table[slot] {
                0 => return self.enter(value, Some(slot)),
                number if self.values[number as usize - 1].bits() == bits => return number - 1,
                _ => slot = (slot + 1) & (self.table.len() - 1),
            }
        }
        self.exhausted = true;
        self.enter(value, None)
    }

    #[inline]
    fn hash(bits: u64) -> u64 {
        finish(fold(bits ^ MIXER, MULTIPLIER))
    }

    fn enter(&mut self, value: T, slot: Option<usize>) -> u32 {
        self.values.push(value);
        if let Some(slot) = slot {
            self.table[slot] = self.values.len() as u32;
            if self.values.len() * 2 > self.table.len() {
                self.grow();
            }
        }
        self.values.len() as u32 - 1
    }

    fn grow(&mut self) {
        let slots = self.table.len() * 2;
        let mut table = vec![0; slots];
        for number in self.table.iter().filter(|number| **number > 0) {
            let bits = self.values[*number as usize - 1].bits();
            let mut slot = home(Self::hash(bits), slots);
            while table[slot] > 0 {
                slot = (slot + 1) & (slots - 1);
            }
            table[slot] = *number;
        }
        self.table = table;
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// Whether values had to be entered twice.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }
}

/// A dictionary of byte strings.
pub(super) struct TextDictionary {
    /// Of each place in the table, the upper half of a hash, and below it the number of the value that is there,
    /// counted from 1, or 0.
    table: Vec<u64>,
    /// Where each value ends in the page, behind a first 0.
    ends: Vec<usize>,
    /// The values as the dictionary's page has them: each behind its length.
    page: Vec<u8>,
    exhausted: bool,
}

const LENGTH_BYTES: usize = size_of::<u32>();

impl TextDictionary {
    pub(super) fn new() -> Self {
        Self {
            table: vec![0; SLOTS_MIN],
            ends: vec![0],
            page: Vec::new(),
            exhausted: false,
        }
    }

    #[inline]
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        let hash = hash(text);
        let mut slot = home(hash, self.table.len());
        for _ in 0..PROBES_MAX {
            let entry = self.table[slot];
            if entry == 0 {
                return self.enter(text, Some((slot, hash)));
            }
            let number = entry as u32;
            if entry >> 32 == hash >> 32 && same(self.text(number - 1), text) {
                return number - 1;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        self.exhausted = true;
        self.enter(text, None)
    }

    fn enter(&mut self, text: &[u8], place: Option<(usize, u64)>) -> u32 {
        self.page.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.page.extend_from_slice(text);
        self.ends.push(self.page.len());
        let number = self.count() as u32;
        if let Some((slot, hash)) = place {
            self.table[slot] = hash & !u64::from(u32::MAX) | u64::from(number);
            if self.count() * 2 > self.table.len() {
                self.grow();
            }
        }
        number - 1
    }

    fn grow(&mut self) {
        let slots = self.table.len() * 2;
        let mut table = vec![0; slots];
        for entry in self.table.iter().filter(|entry| **entry > 0) {
            let mut slot = home(*entry, slots);
            while table[slot] > 0 {
                slot = (slot + 1) & (slots - 1);
            }
            table[slot] = *entry;
        }
        self.table = table;
    }

    #[inline]
    pub(super) fn text(&self, number: u32) -> &[u8] {
        let number = number as usize;
        &self.page[self.ends[number] + LENGTH_BYTES..self.ends[number + 1]]
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len() - 1
    }

    pub(super) fn page(&self) -> &[u8] {
        &self.page
    }

    /// Whether values had to be entered twice.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }
}

/// Two words that cover a text of at most 16 bytes; they may overlap.
#[inline]
fn words(text: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return (
            u64::from(u32::from_le_bytes(*first)),
            u64::from(u32::from_le_bytes(*last)),
        );
    }
    let byte = |at: usize| text.get(at).map_or(0, |byte| u64::from(*byte));
    (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
}

/// The halves of a product of all bits with all bits, as wyhash mixes.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn hash(text: &[u8]) -> u64 {
    let mut seed = MULTIPLIER ^ text.len() as u64;
    let mut rest = text;
    while rest.len() > 16 {
        let (block, after) = rest.split_at(16);
        let (first, last) = words(block);
        seed = fold(first ^ MIXER, last ^ seed);
        rest = after;
    }
    let (first, last) = words(rest);
    finish(fold(first ^ MIXER, last ^ seed))
}

/// Spreads what is in either half over the upper one.
#[inline]
fn finish(hash: u64) -> u64 {
    (hash ^ hash >> 32).wrapping_mul(MULTIPLIER)
}

#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && if a.len() <= 16 { words(a) == words(b) } else { a == b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_text_has_one_number(texts in prop::collection::vec("[ab]{0,3}|[a-c]{6,9}|\\PC{0,40}", 0..1_000)) {
            let mut dictionary = TextDictionary::new();
            let numbers: Vec<u32> = texts.iter().map(|text| dictionary.number(text.as_bytes())).collect();
            for (text, number) in texts.iter().zip(&numbers) {
                prop_assert_eq!(dictionary.text(*number), text.as_bytes());
                prop_assert_eq!(dictionary.number(text.as_bytes()), *number);
            }
            let distinct: std::collections::HashSet<_> = texts.iter().collect();
            prop_assert_eq!(dictionary.count(), distinct.len());
            prop_assert!(!dictionary.is_exhausted());
        }

        /// Doubles of few digits have nothing in their lower bits, and identifiers differ in few.
        #[test]
        fn values_in_steps_do_not_collide(step in 1..10_000_u32, shift in 0..40_u32) {
            const VALUES: u32 = 20_000;
            let (mut doubles, mut integers) = (FixedDictionary::new(), FixedDictionary::new());
            let mut texts = TextDictionary::new();
            for n in 0..VALUES {
                doubles.number(f64::from(n * step) / 100.0);
                integers.number(i64::from(n * step) << shift);
                texts.number(format!("item-{:09}", n * step).as_bytes());
            }
            prop_assert_eq!(doubles.values().len(), VALUES as usize);
            prop_assert_eq!(integers.values().len(), VALUES as usize);
            prop_assert_eq!(texts.count(), VALUES as usize);
            prop_assert!(!doubles.is_exhausted() && !integers.is_exhausted() && !texts.is_exhausted());
        }

        #[test]
        fn each_number_has_one_number(values in prop::collection::vec(any::<i64>().prop_map(|value| value % 5_000), 0..5_000)) {
            let mut dictionary = FixedDictionary::new();
            let numbers: Vec<u32> = values.iter().map(|value| dictionary.number(*value)).collect();
            for (value, number) in values.iter().zip(&numbers) {
                prop_assert_eq!(dictionary.values()[*number as usize], *value);
            }
            let distinct: std::collections::HashSet<_> = values.iter().collect();
            prop_assert_eq!(dictionary.values().len(), distinct.len());
        }
    }

    #[test]
    fn values_chosen_to_collide_exhaust_it() {
        let mut dictionary = FixedDictionary::new();
        let chosen = (0..).filter(|value: &i64| FixedDictionary::<i64>::hash(value.bits()) >> 52 == 0);
        for value in chosen.take(200) {
            let number = dictionary.number(value);
            assert_eq!(dictionary.values()[number as usize], value);
        }
        assert!(dictionary.is_exhausted());
    }
}
