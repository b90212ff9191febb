//! Run length encoding of bytes and of bits.

use super::OrcCompression;
use super::stream::Stream;

const RUN_MIN: usize = 3;
const RUN_MAX: usize = 130;
const LITERALS_MAX: usize = 128;
/// Bytes are encoded this many at a time.
const PENDING_MAX: usize = 4 * RUN_MAX;

/// Bytes, each run of equal ones as its length and the byte.
#[derive(Debug)]
pub(super) struct ByteWriter {
    pending: Vec<u8>,
    out: Stream,
}

impl ByteWriter {
    pub(super) fn new(compression: OrcCompression) -> Self {
        Self {
            pending: Vec::with_capacity(PENDING_MAX),
            out: Stream::new(compression),
        }
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.pending.push(byte);
        if self.pending.len() == PENDING_MAX {
            self.encode_pending();
        }
    }

    /// The stream's position, and how many bytes come before the next one from there.
    pub(super) fn position(&self, out: &mut Vec<u64>) {
        self.out.position(out);
        out.push(self.pending.len() as u64);
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.out.buffered_bytes() + self.pending.len()
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.encode_pending();
        self.out.finish()
    }

    fn encode_pending(&mut self) {
        let bytes = std::mem::take(&mut self.pending);
        let (mut at, mut literals_from) = (0, 0);
        while at < bytes.len() {
            let run = bytes[at..]
                .iter()
                .take(RUN_MAX)
                .take_while(|byte| **byte == bytes[at])
                .count();
            if run >= RUN_MIN {
                self.literals(&bytes[literals_from..at]);
                self.out.write(&[(run - RUN_MIN) as u8, bytes[at]]);
                literals_from = at + run;
            }
            at += run;
        }
        self.literals(&bytes[literals_from..]);
        self.pending = bytes;
        self.pending.clear();
    }

    fn literals(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(LITERALS_MAX) {
            self.out.write(&[(piece.len() as u8).wrapping_neg()]);
            self.out.write(piece);
        }
    }
}

/// Bits, the first of a byte in its highest place.
#[derive(Debug)]
pub(super) struct BitWriter {
    byte: u8,
    used: u32,
    bytes: ByteWriter,
}

impl BitWriter {
    pub(super) fn new(compression: OrcCompression) -> Self {
        Self {
            byte: 0,
            used: 0,
            bytes: ByteWriter::new(compression),
        }
    }

    pub(super) fn push(&mut self, bit: bool) {
        self.byte |= u8::from(bit) << (7 - self.used);
        self.used += 1;
        if self.used == 8 {
            self.bytes.push(self.byte);
            (self.byte, self.used) = (0, 0);
        }
    }

    pub(super) fn push_ones(&mut self, mut count: usize) {
        while count > 0 && self.used > 0 {
            self.push(true);
            count -= 1;
        }
        for _ in 0..count / 8 {
            self.bytes.push(0xff);
        }
        for _ in 0..count % 8 {
            self.push(true);
        }
    }

    /// The position of the byte that holds the next bit, and how many bits of it come before.
    pub(super) fn position(&self, out: &mut Vec<u64>) {
        self.bytes.position(out);
        out.push(u64::from(self.used));
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.bytes.buffered_bytes()
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        if self.used > 0 {
            self.bytes.push(self.byte);
            (self.byte, self.used) = (0, 0);
        }
        self.bytes.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut writer = ByteWriter::new(OrcCompression::None);
        bytes.iter().for_each(|byte| writer.push(*byte));
        writer.finish()
    }

    /// The specification's examples.
    #[test]
    fn examples_of_the_specification() {
        assert_eq!(encode(&[0; 100]), [0x61, 0x00]);
        assert_eq!(encode(&[0x44, 0x45]), [0xfe, 0x44, 0x45]);
        let mut bits = BitWriter::new(OrcCompression::None);
        [true, false, false, false, false, false, false, false]
            .into_iter()
            .for_each(|bit| bits.push(bit));
        assert_eq!(bits.finish(), [0xff, 0x80]);
    }

    #[test]
    fn runs_and_literals_have_their_greatest_lengths() {
        assert_eq!(encode(&[7; 131]), [0x7f, 7, 0xff, 7]);
        let distinct: Vec<u8> = (0..=128).collect();
        let literals = [&[0x80], &distinct[..128], &[0xff, 128]].concat();
        assert_eq!(encode(&distinct), literals);
    }

    #[test]
    fn many_ones_are_single_ones() {
        for (before, ones) in [(0, 17), (3, 2), (3, 5), (5, 100)] {
            let mut one_by_one = BitWriter::new(OrcCompression::None);
            let mut at_once = BitWriter::new(OrcCompression::None);
            (0..before).for_each(|_| one_by_one.push(false));
            (0..before).for_each(|_| at_once.push(false));
            (0..ones).for_each(|_| one_by_one.push(true));
            at_once.push_ones(ones);
            assert_eq!(one_by_one.finish(), at_once.finish());
        }
    }
}
