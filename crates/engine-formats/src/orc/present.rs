//! Which of a column's values are there.

use arrow::buffer::NullBuffer;

use super::OrcCompression;
use super::bytes::BitWriter;

/// A stream of bits that comes into being with a stripe's first NULL: without one the column does not have it.
#[derive(Debug)]
pub(super) struct PresentWriter {
    compression: OrcCompression,
    bits: Option<BitWriter>,
    /// Values before the first NULL.
    ones: usize,
    /// How many of these came before each row group whose position is not known yet.
    starts: Vec<usize>,
    positions: Vec<Vec<u64>>,
}

impl PresentWriter {
    pub(super) fn new(compression: OrcCompression) -> Self {
        Self {
            compression,
            bits: None,
            ones: 0,
            starts: Vec::new(),
            positions: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, count: usize, nulls: Option<&NullBuffer>) {
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => {
                let bits = self.bits();
                nulls.iter().for_each(|valid| bits.push(valid));
            }
            None => match &mut self.bits {
                Some(bits) => bits.push_ones(count),
                None => self.ones += count,
            },
        }
    }

    /// The bits, which begin with those that needed no stream until now.
    fn bits(&mut self) -> &mut BitWriter {
        let Self {
            compression,
            bits,
            ones,
            starts,
            positions,
        } = self;
        bits.get_or_insert_with(|| {
            let mut bits = BitWriter::new(*compression);
            let mut written = 0;
            for start in starts.drain(..) {
                bits.push_ones(start - written);
                positions.push(position(&bits));
                written = start;
            }
            bits.push_ones(std::mem::take(ones) - written);
            bits
        })
    }

    pub(super) fn start_group(&mut self) {
        match &self.bits {
            Some(bits) => self.positions.push(position(bits)),
            None => self.starts.push(self.ones),
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.bits.as_ref().map_or(0, BitWriter::buffered_bytes)
    }

    /// The stripe's stream, and the row groups' positions in it.
    pub(super) fn finish(&mut self) -> Option<(Vec<u8>, Vec<Vec<u64>>)> {
        let bits = self.bits.take();
        self.starts.clear();
        self.ones = 0;
        let positions = std::mem::take(&mut self.positions);
        bits.map(|mut bits| (bits.finish(), positions))
    }
}

fn position(bits: &BitWriter) -> Vec<u64> {
    let mut position = Vec::new();
    bits.position(&mut position);
    position
}
