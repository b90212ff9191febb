//! The frame: what stands around each record batch in a log file. docs/formats/log.md has it byte by byte.

use crate::batch;

pub(crate) const HEADER_BYTES: usize = 64;
/// Frames begin on multiples of this.
const ALIGN: usize = 8;
pub(crate) const MAGIC: [u8; 4] = *b"CLF1";

/// A record batch of one partition.
pub(crate) const KIND_RECORDS: u8 = 1;
/// The end offsets of all partitions when the file was begun.
pub(crate) const KIND_ENDS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    /// Without the padding.
    pub(crate) payload_bytes: u32,
    /// How many offsets the frame covers.
    pub(crate) span: u32,
    pub(crate) partition: u64,
    pub(crate) base_offset: u64,
    pub(crate) arrival_ms: i64,
    /// The number of the file and the byte in it where the frame stands, so that what a recycled file held
    /// before is never taken for content.
    pub(crate) file: u32,
    pub(crate) at: u32,
    /// Up to where the file was known to be durable when the frame was written: proof, to recovery, that damage
    /// before it is no torn tail.
    pub(crate) durable: u32,
}

/// The room that a frame with `payload_bytes` takes in the file.
pub(crate) fn frame_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN)
}

impl Header {
    /// The room that the frame takes in the file.
    pub(crate) fn frame_bytes(&self) -> usize {
        frame_bytes(self.payload_bytes as usize)
    }

    /// Writes the header in front of the payload. `frame` holds both, without padding.
    pub(crate) fn write(&self, frame: &mut [u8]) {
        let (header, payload) = frame.split_at_mut(HEADER_BYTES);
        header.fill(0);
        header[0..4].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        header[12..16].copy_from_slice(&self.span.to_le_bytes());
        header[16..24].copy_from_slice(&self.partition.to_le_bytes());
        header[24..32].copy_from_slice(&self.base_offset.to_le_bytes());
        header[32..40].copy_from_slice(&self.arrival_ms.to_le_bytes());
        header[40..44].copy_from_slice(&self.file.to_le_bytes());
        header[44..48].copy_from_slice(&self.at.to_le_bytes());
        header[48..52].copy_from_slice(&self.durable.to_le_bytes());
        header[52] = self.kind;
        let crc = crc(self.kind, header, payload);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// The header of the frame at byte `at` of file `file`, if one stands there whole: magic, place, kind and
    /// checksum are right. `bytes` begins at the frame and must reach at least [`checked_bytes`] far.
    pub(crate) fn read(bytes: &[u8], file: u32, at: u32) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        if header[0..4] != MAGIC {
            return None;
        }
        let parsed = Self {
            kind: header[52],
            payload_bytes: u32_at(header, 8),
            span: u32_at(header, 12),
            partition: u64_at(header, 16),
            base_offset: u64_at(header, 24),
            arrival_ms: u64_at(header, 32) as i64,
            file: u32_at(header, 40),
            at: u32_at(header, 44),
            durable: u32_at(header, 48),
        };
        let payload = bytes.get(HEADER_BYTES..HEADER_BYTES.checked_add(parsed.checked_bytes())?)?;
        let sound = parsed.file == file
            && parsed.at == at
            && matches!(parsed.kind, KIND_RECORDS | KIND_ENDS)
            && crc(parsed.kind, header, payload) == u32_at(header, 4);
        sound.then_some(parsed)
    }

    /// How much of the payload the frame's own checksum covers.
    pub(crate) fn checked_bytes(&self) -> usize {
        checked_bytes(self.kind, self.payload_bytes as usize)
    }

    /// Whether the whole payload is sound. `payload` is without padding.
    pub(crate) fn payload_is_sound(&self, payload: &[u8]) -> bool {
        self.kind != KIND_RECORDS || batch::is_sound(payload)
    }
}

/// A record batch carries a checksum over everything behind its first 21 bytes, so the frame covers only those
/// (that checksum among them), and no byte is summed twice.
fn checked_bytes(kind: u8, payload_bytes: usize) -> usize {
    if kind == KIND_RECORDS {
        payload_bytes.min(batch::UNCHECKED_BYTES)
    } else {
        payload_bytes
    }
}

fn crc(kind: u8, header: &[u8], payload: &[u8]) -> u32 {
    let checked = checked_bytes(kind, payload.len());
    crc32c::crc32c_append(crc32c::crc32c(&header[8..HEADER_BYTES]), &payload[..checked])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_is_noticed() {
        let header = Header {
            kind: KIND_ENDS,
            payload_bytes: 24,
            span: 0,
            partition: 7,
            base_offset: 1 << 40,
            arrival_ms: 1_700_000_000_000,
            file: 3,
            at: 64,
            durable: 0,
        };
        let mut frame = vec![0xA5; HEADER_BYTES + 24];
        header.write(&mut frame);
        assert_eq!(Header::read(&frame, 3, 64), Some(header));
        assert_eq!(Header::read(&frame, 4, 64), None, "a frame of another file");
        assert_eq!(Header::read(&frame, 3, 72), None, "a frame that stood elsewhere");
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&flipped, 3, 64), None, "bit {bit}");
        }
    }
}
