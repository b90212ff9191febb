//! Texts and byte strings.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::hybrid;
use super::interner::TextDictionary;
use super::levels::Rows;
use super::values::{Bounds, PageValues, Values, ValuesSummary};
use crate::FormatError;

/// Bounds have no more bytes than these.
const BOUND_BYTES_MAX: usize = 64;

pub(super) struct Texts {
    /// Whether they are UTF-8.
    are_text: bool,
    /// The page's values, where they are no references into the dictionary.
    plain: Vec<u8>,
    references: Vec<u32>,
    dictionary: Option<TextDictionary>,
    /// Of each value in the dictionary, the last page that has it, counted from 1.
    on_page: Vec<u32>,
    page: u32,
    /// Whether row groups begin with a dictionary.
    with_dictionary: bool,
    closed: bool,
    page_bounds: TextBounds,
    bounds: TextBounds,
    /// The bounds of the last page that had any, as they were told.
    last: Option<(Vec<u8>, Vec<u8>)>,
    falls: bool,
}

impl Texts {
    pub(super) fn new(are_text: bool, with_dictionary: bool) -> Self {
        Self {
            are_text,
            plain: Vec::new(),
            references: Vec::new(),
            dictionary: None,
            on_page: Vec::new(),
            page: 1,
            with_dictionary,
            closed: false,
            page_bounds: TextBounds::default(),
            bounds: TextBounds::default(),
            last: None,
            falls: false,
        }
    }

    fn append_all<'a>(&mut self, texts: impl Iterator<Item = &'a [u8]>) {
        if self.with_dictionary && !self.closed {
            let dictionary = self.dictionary.get_or_insert_with(TextDictionary::new);
            for text in texts {
                let number = dictionary.number(text);
                self.references.push(number);
                let number = number as usize;
                if number == self.on_page.len() {
                    self.on_page.push(0);
                }
                // The bounds know what the page had before.
                if self.on_page[number] != self.page {
                    self.on_page[number] = self.page;
                    self.page_bounds.widen(text);
                }
            }
        } else {
            for text in texts {
                self.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
                self.plain.extend_from_slice(text);
                self.page_bounds.widen(text);
            }
        }
    }
}

impl Values for Texts {
    fn append(&mut self, array: &ArrayRef, rows: Rows<'_>) -> Result<(), FormatError> {
        let (ends, bytes) = match array.data_type() {
            DataType::Utf8 => (
                array.as_string::<i32>().value_offsets(),
                array.as_string::<i32>().values(),
            ),
            DataType::Binary => (
                array.as_binary::<i32>().value_offsets(),
                array.as_binary::<i32>().values(),
            ),
            DataType::Utf8View => {
                let texts = array.as_string_view();
                self.append_all(rows.iter().map(|row| texts.value(row).as_bytes()));
                return Ok(());
            }
            _ => {
                let texts = array.as_binary_view();
                self.append_all(rows.iter().map(|row| texts.value(row)));
                return Ok(());
            }
        };
        let bytes = bytes.as_slice();
        match rows {
            Rows::Range(start, end) => {
                let texts = ends[start..=end].windows(2);
                self.append_all(texts.map(|ends| &bytes[ends[0] as usize..ends[1] as usize]));
            }
            Rows::Each(rows) => {
                let texts = rows.iter().map(|row| *row as usize);
                self.append_all(texts.map(|row| &bytes[ends[row] as usize..ends[row + 1] as usize]));
            }
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        let dictionary = self.dictionary.as_ref().map_or(0, TextDictionary::count);
        self.plain.len() + self.references.len() * hybrid::bit_width(dictionary as u32) as usize / 8
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        self.page += 1;
        let bounds = std::mem::take(&mut self.page_bounds);
        self.bounds.widen_to(&bounds);
        let encoding = match &self.dictionary {
            Some(dictionary) if !self.closed => {
                let bit_width = hybrid::bit_width(dictionary.count().saturating_sub(1) as u32);
                out.push(bit_width as u8);
                hybrid::encode(&self.references, bit_width, out);
                self.references.clear();
                Encoding::RLE_DICTIONARY
            }
            _ => {
                out.append(&mut self.plain);
                Encoding::PLAIN
            }
        };
        let told = bounds.cut(self.are_text).map(|((least, _), (most, _))| (least, most));
        if let (Some((least, most)), Some((lesser, greater))) = (&told, &self.last) {
            self.falls |= least < lesser || most < greater;
        }
        if told.is_some() {
            self.last.clone_from(&told);
        }
        PageValues {
            encoding,
            bounds: told.map(|(least, most)| Bounds { least, most }),
        }
    }

    fn dictionary_is_full(&self, bytes_max: usize) -> bool {
        let full = |dictionary: &TextDictionary| dictionary.is_exhausted() || dictionary.page().len() >= bytes_max;
        !self.closed && self.dictionary.as_ref().is_some_and(full)
    }

    fn close_dictionary(&mut self) {
        self.closed = true;
    }

    fn dictionary_bytes(&self) -> usize {
        self.dictionary.as_ref().map_or(0, |dictionary| dictionary.page().len())
    }

    fn take_dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        self.closed = false;
        self.on_page.clear();
        let dictionary = self.dictionary.take()?;
        Some((dictionary.page().to_vec(), dictionary.count()))
    }

    fn take_summary(&mut self, nulls: u64) -> ValuesSummary {
        let bounds = std::mem::take(&mut self.bounds);
        let (least, most) = bounds.cut(self.are_text).unzip();
        let (least, least_is_exact) = least.unzip();
        let (most, most_is_exact) = most.unzip();
        let bound = |bound: Option<Vec<u8>>| bound.map(ByteArray::from);
        let statistics = ValueStatistics::new(bound(least), bound(most), None, Some(nulls), false)
            .with_min_is_exact(least_is_exact.unwrap_or(false))
            .with_max_is_exact(most_is_exact.unwrap_or(false));
        self.last = None;
        ValuesSummary {
            statistics: Statistics::ByteArray(statistics),
            rises: !std::mem::take(&mut self.falls),
        }
    }
}

/// The least and the greatest of some byte strings, in the order of their bytes.
#[derive(Default)]
struct TextBounds {
    any: bool,
    least: Vec<u8>,
    most: Vec<u8>,
    /// Their first bytes as numbers of the same order, which is all that most comparisons need.
    least_prefix: u64,
    most_prefix: u64,
}

fn prefix(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let bytes = text.len().min(8);
    first[..bytes].copy_from_slice(&text[..bytes]);
    u64::from_be_bytes(first)
}

impl TextBounds {
    #[inline]
    fn widen(&mut self, text: &[u8]) {
        let prefix = match text.first_chunk() {
            Some(first) => u64::from_be_bytes(*first),
            None => prefix(text),
        };
        if !self.any || prefix <= self.least_prefix || prefix >= self.most_prefix {
            self.widen_by(text, prefix);
        }
    }

    fn widen_by(&mut self, text: &[u8], prefix: u64) {
        if !self.any || text.cmp(&self.least) == Ordering::Less {
            self.least.clear();
            self.least.extend_from_slice(text);
            self.least_prefix = prefix;
        }
        if !self.any || text.cmp(&self.most) == Ordering::Greater {
            self.most.clear();
            self.most.extend_from_slice(text);
            self.most_prefix = prefix;
        }
        self.any = true;
    }

    fn widen_to(&mut self, other: &Self) {
        if other.any {
            self.widen(&other.least);
            self.widen(&other.most);
        }
    }

    /// The bounds, no longer than they may be, and whether they are values. Without an upper one there is no lower one
    /// either, since readers differ in what they take a missing one for.
    fn cut(&self, are_text: bool) -> Option<((Vec<u8>, bool), (Vec<u8>, bool))> {
        if !self.any {
            return None;
        }
        let least = (cut(&self.least, are_text).to_vec(), self.least.len() <= BOUND_BYTES_MAX);
        let most = if self.most.len() <= BOUND_BYTES_MAX {
            (self.most.clone(), true)
        } else {
            (next(cut(&self.most, are_text), are_text)?, false)
        };
        Some((least, most))
    }
}

fn cut(text: &[u8], are_text: bool) -> &[u8] {
    let mut end = text.len().min(BOUND_BYTES_MAX);
    // A byte that goes on with a character is not where to cut.
    while are_text && end > 0 && text.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    &text[..end]
}

/// A byte string that is greater than all that begin with this one, and not longer.
fn next(text: &[u8], are_text: bool) -> Option<Vec<u8>> {
    if !are_text {
        let last = text.iter().rposition(|byte| *byte < u8::MAX)?;
        let mut next = text[..=last].to_vec();
        next[last] += 1;
        return Some(next);
    }
    let text = std::str::from_utf8(text).ok()?;
    for (at, last) in text.char_indices().rev() {
        // Behind the last character of a length in bytes comes one that is longer.
        let greater = (last..=char::MAX)
            .nth(1)
            .filter(|greater| greater.len_utf8() == last.len_utf8());
        if let Some(greater) = greater {
            let mut next = text[..at].to_owned();
            next.push(greater);
            return Some(next.into_bytes());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bounds_hold(texts in prop::collection::vec("[a\u{7F}\u{7FF}\u{FFFF}\u{10FFFF}]{0,80}|\\PC{0,40}|[ab]{0,12}", 1..20)) {
            for are_text in [true, false] {
                let mut bounds = TextBounds::default();
                texts.iter().for_each(|text| bounds.widen(text.as_bytes()));
                let (first, last) = (texts.iter().min().expect("one"), texts.iter().max().expect("one"));
                let Some(((least, least_is_exact), (most, most_is_exact))) = bounds.cut(are_text) else {
                    // No character of them has a next one of its length.
                    let kept = std::str::from_utf8(cut(last.as_bytes(), true)).expect("text");
                    let greatest = "\u{7F}\u{7FF}\u{FFFF}\u{10FFFF}";
                    prop_assert!(are_text && kept.chars().all(|one| greatest.contains(one)));
                    continue;
                };
                prop_assert!(least.as_slice() <= first.as_bytes() && least.len() <= BOUND_BYTES_MAX);
                prop_assert_eq!(least_is_exact, least.as_slice() == first.as_bytes());
                prop_assert!(!are_text || std::str::from_utf8(&least).is_ok());
                prop_assert!(most.as_slice() >= last.as_bytes() && most.len() <= BOUND_BYTES_MAX);
                prop_assert_eq!(most_is_exact, most.as_slice() == last.as_bytes());
                prop_assert!(!are_text || std::str::from_utf8(&most).is_ok());
            }
        }
    }
}
