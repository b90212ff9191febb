//! Columns of text: through a dictionary while that is small, directly otherwise.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::integers::IntegerWriter;
use super::stream::Stream;
use super::{OrcCompression, OrcVersion, StreamKind};

/// The distinct values of a stripe, numbered as they come.
#[derive(Debug, Default)]
struct Dictionary {
    bytes: Vec<u8>,
    /// Where each key ends in `bytes`.
    ends: Vec<usize>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Dictionary {
    fn key(&self, number: u32) -> &[u8] {
        key(&self.bytes, &self.ends, number)
    }

    fn number(&mut self, value: &[u8]) -> u32 {
        let Self {
            bytes,
            ends,
            numbers,
            hasher,
        } = self;
        let hash = hasher.hash_one(value);
        if let Some(number) = numbers.find(hash, |number| key(bytes, ends, *number) == value) {
            return *number;
        }
        let number = ends.len() as u32;
        bytes.extend_from_slice(value);
        ends.push(bytes.len());
        numbers.insert_unique(hash, number, |number| hasher.hash_one(key(bytes, ends, *number)));
        number
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.numbers.clear();
    }
}

fn key<'b>(bytes: &'b [u8], ends: &[usize], number: u32) -> &'b [u8] {
    let number = number as usize;
    let from = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[from..ends[number]]
}

/// A stripe's worth of a column.
pub(super) struct TextStripe {
    pub(super) streams: Vec<(StreamKind, Vec<u8>)>,
    /// Of each row group.
    pub(super) positions: Vec<Vec<u64>>,
    /// The dictionary's size, where the values go through one.
    pub(super) keys: Option<u64>,
}

#[derive(Debug)]
pub(super) struct TextWriter {
    version: OrcVersion,
    compression: OrcCompression,
    threshold: f64,
    /// Whether this stripe's values still go through the dictionary.
    through_dictionary: bool,
    dictionary: Dictionary,
    /// The keys' numbers of the values that are not written yet.
    numbers: Vec<u32>,
    /// How many of these came before each row group whose position is not known yet.
    starts: Vec<usize>,
    positions: Vec<Vec<u64>>,
    data: Stream,
    lengths: IntegerWriter,
}

impl TextWriter {
    /// A share of distinct values above `threshold` ends the use of a dictionary. Readers of the older version expect
    /// one always.
    pub(super) fn new(version: OrcVersion, threshold: f64, compression: OrcCompression) -> Self {
        let mut writer = Self {
            version,
            compression,
            threshold: match version {
                OrcVersion::V0_11 => f64::MAX,
                OrcVersion::V0_12 => threshold,
            },
            through_dictionary: false,
            dictionary: Dictionary::default(),
            numbers: Vec::new(),
            starts: Vec::new(),
            positions: Vec::new(),
            data: Stream::new(compression),
            lengths: IntegerWriter::new(false, version, compression),
        };
        writer.begin_stripe();
        writer
    }

    fn begin_stripe(&mut self) {
        self.through_dictionary = self.threshold > 0.0;
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        if self.through_dictionary {
            let number = self.dictionary.number(value);
            self.numbers.push(number);
        } else {
            self.data.write(value);
            self.lengths.push(value.len() as i64);
        }
    }

    pub(super) fn start_group(&mut self) {
        if self.through_dictionary {
            self.starts.push(self.numbers.len());
        } else {
            let mut position = Vec::new();
            self.data.position(&mut position);
            self.lengths.position(&mut position);
            self.positions.push(position);
        }
    }

    /// Looks whether the dictionary is worth its while; the values before go directly if not.
    pub(super) fn end_group(&mut self) {
        let too_many = self.dictionary.ends.len() as f64 > self.threshold * self.numbers.len() as f64;
        if !self.through_dictionary || !too_many {
            return;
        }
        self.through_dictionary = false;
        let numbers = std::mem::take(&mut self.numbers);
        let mut written = 0;
        for start in std::mem::take(&mut self.starts) {
            self.write_keys(&numbers[written..start]);
            self.start_group();
            written = start;
        }
        self.write_keys(&numbers[written..]);
        self.dictionary.clear();
    }

    fn write_keys(&mut self, numbers: &[u32]) {
        for number in numbers {
            let key = self.dictionary.key(*number);
            self.data.write(key);
            self.lengths.push(key.len() as i64);
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        let numbers = size_of_val(self.numbers.as_slice());
        self.data.buffered_bytes() + self.lengths.buffered_bytes() + self.dictionary.bytes.len() + numbers
    }

    pub(super) fn finish(&mut self) -> TextStripe {
        self.end_group();
        let stripe = if self.through_dictionary {
            self.finish_dictionary()
        } else {
            TextStripe {
                streams: vec![
                    (StreamKind::Data, self.data.finish()),
                    (StreamKind::Length, self.lengths.finish()),
                ],
                positions: std::mem::take(&mut self.positions),
                keys: None,
            }
        };
        self.begin_stripe();
        stripe
    }

    /// The dictionary's keys stand in the order of their bytes.
    fn finish_dictionary(&mut self) -> TextStripe {
        let keys = self.dictionary.ends.len();
        let mut order: Vec<u32> = (0..keys as u32).collect();
        order.sort_unstable_by(|a, b| self.dictionary.key(*a).cmp(self.dictionary.key(*b)));
        let mut places = vec![0_i64; keys];
        let mut blob = Stream::new(self.compression);
        for (place, number) in order.into_iter().enumerate() {
            let key = self.dictionary.key(number);
            places[number as usize] = place as i64;
            blob.write(key);
            self.lengths.push(key.len() as i64);
        }
        let mut rows = IntegerWriter::new(false, self.version, self.compression);
        let mut positions = Vec::with_capacity(self.starts.len());
        let numbers = std::mem::take(&mut self.numbers);
        let mut written = 0;
        for start in std::mem::take(&mut self.starts) {
            numbers[written..start]
                .iter()
                .for_each(|number| rows.push(places[*number as usize]));
            let mut position = Vec::new();
            rows.position(&mut position);
            positions.push(position);
            written = start;
        }
        numbers[written..]
            .iter()
            .for_each(|number| rows.push(places[*number as usize]));
        self.dictionary.clear();
        TextStripe {
            streams: vec![
                (StreamKind::Data, rows.finish()),
                (StreamKind::Length, self.lengths.finish()),
                (StreamKind::DictionaryData, blob.finish()),
            ],
            positions,
            keys: Some(keys as u64),
        }
    }
}
