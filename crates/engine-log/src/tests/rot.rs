//! Where a bit may flip so that the log can know it, found by what docs/formats/log.md says.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::log_files;
use crate::files;
use crate::frame::{HEADER_BYTES, Header, KIND_RECORDS};

pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) at: u64,
    pub(super) bit: u8,
    /// The partition and the offsets of the frame that is damaged, if it is one of records.
    pub(super) records: Option<(u64, Range<u64>)>,
}

/// A bit of some file, or none if the choice fell on one whose loss nothing can prove.
pub(super) fn choose(directory: &Path, seed: u64, sidecars: bool) -> Option<Place> {
    let mut rng = StdRng::seed_from_u64(seed);
    let logs = log_files(directory);
    let path = logs.get(rng.random_range(0..logs.len().max(1)))?.clone();
    let bit = rng.random_range(0..8);
    let sidecar = path.with_extension("idx");
    if sidecars && rng.random() && sidecar.exists() {
        let bytes = std::fs::read(&sidecar).ok()?;
        return Some(Place {
            at: rng.random_range(0..bytes.len()) as u64,
            path: sidecar,
            bit,
            records: None,
        });
    }
    let bytes = std::fs::read(&path).ok()?;
    let frames = frames(&bytes, files::number_of(&path)?);
    let proven = frames.iter().map(|header| header.durable).max()?;
    let frame = frames.get(rng.random_range(0..frames.len()))?;
    if frame.kind != KIND_RECORDS || frame.at >= proven {
        return None;
    }
    // Padding belongs to no checksum.
    let frame_bytes = HEADER_BYTES as u32 + frame.payload_bytes;
    Some(Place {
        path,
        at: u64::from(frame.at + rng.random_range(0..frame_bytes)),
        bit,
        records: Some((
            frame.partition,
            frame.base_offset..frame.base_offset + u64::from(frame.span),
        )),
    })
}

/// The sound frames of a log file.
fn frames(bytes: &[u8], number: u32) -> Vec<Header> {
    let mut frames = Vec::new();
    let mut at = files::FILE_HEADER_BYTES;
    while at < bytes.len() {
        let sound = Header::read(&bytes[at..], number, at as u32).filter(|header| {
            let payload = bytes[at + HEADER_BYTES..].get(..header.payload_bytes as usize);
            payload.is_some_and(|payload| header.payload_is_sound(payload))
        });
        match sound {
            Some(header) => {
                at += header.frame_bytes();
                frames.push(header);
            }
            None => at += 8,
        }
    }
    frames
}
