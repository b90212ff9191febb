//! Run length encoding of integers, in the version that the file's readers know.

use super::stream::Stream;
use super::{OrcCompression, OrcVersion, rle_v1, rle_v2};

/// Integers are encoded this many at a time: as many as the longest run holds.
const PENDING_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct IntegerWriter {
    version: OrcVersion,
    signed: bool,
    pending: Vec<i64>,
    encoded: Vec<u8>,
    out: Stream,
}

impl IntegerWriter {
    /// Unless it is `signed`, no value may be negative.
    pub(super) fn new(signed: bool, version: OrcVersion, compression: OrcCompression) -> Self {
        Self {
            version,
            signed,
            pending: Vec::with_capacity(PENDING_MAX),
            encoded: Vec::new(),
            out: Stream::new(compression),
        }
    }

    pub(super) fn push(&mut self, value: i64) {
        self.pending.push(value);
        if self.pending.len() == PENDING_MAX {
            self.encode_pending();
        }
    }

    /// The stream's position, and how many values come before the next one from there.
    pub(super) fn position(&self, out: &mut Vec<u64>) {
        self.out.position(out);
        out.push(self.pending.len() as u64);
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.out.buffered_bytes() + size_of_val(self.pending.as_slice())
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.encode_pending();
        self.out.finish()
    }

    fn encode_pending(&mut self) {
        match self.version {
            OrcVersion::V0_11 => rle_v1::encode(&self.pending, self.signed, &mut self.encoded),
            OrcVersion::V0_12 => rle_v2::encode(&self.pending, self.signed, &mut self.encoded),
        }
        self.out.write(&self.encoded);
        self.pending.clear();
        self.encoded.clear();
    }
}
