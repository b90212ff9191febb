//! The framings of Snappy, read as they come in.
//!
//! Sources: snappy-java's `SnappyInputStream`; Hadoop's `BlockDecompressorStream`; Snappy's `framing_format.txt`.

use bytes::{Buf, Bytes, BytesMut};

use crate::FormatError;
use crate::compression::{Bounded, wrong};
use crate::snappy::{FRAMED_MAGIC, XERIAL_MAGIC, XERIAL_VERSIONS, read_framed, read_raw};

/// What a block may hold, packed or not. Writers make blocks of 32 KiB to a few MiB.
pub(crate) const BLOCK_BYTES_MAX: usize = 64 << 20;
const LENGTH_BYTES: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// snappy-java's stream.
    Xerial,
    /// Hadoop's blocks.
    Hadoop,
    /// Snappy's own stream.
    Framed,
}

impl Framing {
    /// By what a stream begins with. Hadoop's blocks have no mark of their own.
    fn of(beginning: &[u8]) -> Self {
        match beginning {
            _ if beginning.starts_with(XERIAL_MAGIC) => Self::Xerial,
            _ if beginning.starts_with(FRAMED_MAGIC) => Self::Framed,
            _ => Self::Hadoop,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Xerial => "snappy-java's stream",
            Self::Hadoop => "Hadoop's blocks of Snappy",
            Self::Framed => "Snappy's stream",
        }
    }
}

/// Blocks one after the other.
pub(crate) struct SnappyBlocks {
    packed: BytesMut,
    ended: bool,
    /// `None` until it is told by the first bytes.
    framing: Option<Framing>,
    /// Whether the mark was read that a stream begins with.
    begun: bool,
    /// Of Hadoop's blocks, the bytes that a raw length has promised and that are still to come.
    promised: usize,
}

impl SnappyBlocks {
    pub(crate) fn new(framing: Option<Framing>) -> Self {
        Self {
            packed: BytesMut::new(),
            ended: false,
            framing,
            begun: false,
            promised: 0,
        }
    }

    /// All of an object's blocks.
    pub(crate) fn read_all(data: &[u8], framing: Framing, out: &mut Bounded) -> Result<(), FormatError> {
        let mut blocks = Self::new(Some(framing));
        blocks.feed(data);
        blocks.finish();
        while blocks.next(out)? {}
        Ok(())
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.packed.extend_from_slice(bytes);
    }

    /// No more bytes come.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    /// Appends the next block; false where more bytes are needed, or there are no more blocks.
    pub(crate) fn next(&mut self, out: &mut Bounded) -> Result<bool, FormatError> {
        let framing = match self.framing {
            Some(framing) => framing,
            None if self.packed.len() < FRAMED_MAGIC.len() && !self.ended => return Ok(false),
            None => *self.framing.insert(Framing::of(&self.packed)),
        };
        let broken = |why: &str| wrong(framing.name(), &why);
        let read = match framing {
            Framing::Xerial => self.next_xerial(out, broken)?,
            Framing::Hadoop => self.next_hadoop(out, broken)?,
            Framing::Framed => self.next_framed(out, broken)?,
        };
        if !read && self.ended && (!self.packed.is_empty() || self.promised > 0) {
            return Err(broken("a block is cut off"));
        }
        Ok(read)
    }

    /// Blocks behind their packed lengths. A stream that was appended to begins anew.
    fn next_xerial(&mut self, out: &mut Bounded, broken: impl Fn(&str) -> FormatError) -> Result<bool, FormatError> {
        // No length begins as the mark does.
        while self.packed.first() == XERIAL_MAGIC.first() {
            let head = XERIAL_MAGIC.len() + XERIAL_VERSIONS.len();
            if self.packed.len() < head {
                return Ok(false);
            }
            if !self.packed.starts_with(XERIAL_MAGIC) {
                return Err(broken("its first bytes are others"));
            }
            self.packed.advance(head);
            self.begun = true;
        }
        if !self.begun && !self.packed.is_empty() {
            return Err(broken("its first bytes are others"));
        }
        let Some(packed) = self.take_packed(broken)? else {
            return Ok(false);
        };
        read_raw(&packed, out)?;
        Ok(true)
    }

    /// Blocks behind their raw and their packed lengths. A raw length may be that of several packed blocks, and it may
    /// be none.
    fn next_hadoop(&mut self, out: &mut Bounded, broken: impl Fn(&str) -> FormatError) -> Result<bool, FormatError> {
        while self.promised == 0 {
            let Some(length) = self.length() else {
                return Ok(false);
            };
            self.packed.advance(LENGTH_BYTES);
            self.promised = length;
        }
        let Some(packed) = self.take_packed(&broken)? else {
            return Ok(false);
        };
        let bytes = snap::raw::decompress_len(&packed).map_err(|error| broken(&error.to_string()))?;
        self.promised = match self.promised.checked_sub(bytes) {
            Some(rest) if bytes > 0 => rest,
            _ => return Err(broken("a block is not as long as it should be")),
        };
        read_raw(&packed, out)?;
        Ok(true)
    }

    /// Chunks behind their kind and their length of three bytes, the lowest first.
    fn next_framed(&mut self, out: &mut Bounded, broken: impl Fn(&str) -> FormatError) -> Result<bool, FormatError> {
        loop {
            let Some([_, low, middle, high]) = self.packed.first_chunk::<LENGTH_BYTES>() else {
                return Ok(false);
            };
            let length = LENGTH_BYTES + u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
            if self.packed.len() < length {
                return Ok(false);
            }
            let chunk = self.packed.split_to(length);
            if chunk == FRAMED_MAGIC {
                self.begun = true;
            } else if self.begun {
                read_framed(FRAMED_MAGIC.chain(chunk.as_ref()).reader(), out)?;
                return Ok(true);
            } else {
                return Err(broken("its first bytes are others"));
            }
        }
    }

    fn length(&self) -> Option<usize> {
        let length = self.packed.first_chunk::<LENGTH_BYTES>()?;
        Some(u32::from_be_bytes(*length) as usize)
    }

    /// A packed block behind its length, once it is all there.
    fn take_packed(&mut self, broken: impl Fn(&str) -> FormatError) -> Result<Option<Bytes>, FormatError> {
        let Some(length) = self.length() else {
            return Ok(None);
        };
        if length > BLOCK_BYTES_MAX {
            return Err(broken(&format!("a block has more than {BLOCK_BYTES_MAX} bytes")));
        }
        if self.packed.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.packed.advance(LENGTH_BYTES);
        Ok(Some(self.packed.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snappy::{is_hadoop, put_packed};

    #[test]
    fn hadoop_may_put_several_packed_blocks_behind_one_length() {
        let mut data = 6_u32.to_be_bytes().to_vec();
        put_packed(b"one", &mut data).expect("packs");
        put_packed(b"two", &mut data).expect("packs");
        data.extend_from_slice(&0_u32.to_be_bytes());
        assert!(is_hadoop(&data));
        let mut out = Bounded::new(6);
        SnappyBlocks::read_all(&data, Framing::Hadoop, &mut out).expect("reads");
        assert_eq!(out.room(0).expect("the bytes"), b"onetwo");
        data[3] = 7;
        assert!(!is_hadoop(&data));
        assert!(SnappyBlocks::read_all(&data, Framing::Hadoop, &mut Bounded::new(100)).is_err());
    }
}
