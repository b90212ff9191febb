//! Log files: their names, their first bytes, and handles on them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Millis;
use parking_lot::Mutex;

use crate::frame::{u32_at, u64_at};

pub(crate) const FILE_HEADER_BYTES: usize = 64;
const FILE_MAGIC: [u8; 8] = *b"catchlog";
pub(crate) const VERSION: u32 = 1;
/// How many files are kept open for readers.
const HANDLES_MAX: usize = 96;

pub(crate) fn log_path(directory: &Path, file: u32) -> PathBuf {
    directory.join(format!("{file:010}.log"))
}

pub(crate) fn sidecar_path(directory: &Path, file: u32) -> PathBuf {
    directory.join(format!("{file:010}.idx"))
}

/// The index of the object of a file and a group.
pub(crate) fn tier_index_path(directory: &Path, file: u32, group: u64) -> PathBuf {
    directory.join(format!("{file:010}-{group}.tier"))
}

/// The file and the group of an object's index, from its name.
pub(crate) fn tiered_of(path: &Path) -> Option<(u32, u64)> {
    let (file, group) = path.file_name()?.to_str()?.strip_suffix(".tier")?.split_once('-')?;
    Some((file.parse().ok()?, group.parse().ok()?))
}

/// The number of a log file, from its name.
pub(crate) fn number_of(path: &Path) -> Option<u32> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".log")?;
    if stem.len() == 10 { stem.parse().ok() } else { None }
}

pub(crate) fn file_header(file: u32, created_ms: Millis) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[0..8].copy_from_slice(&FILE_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&file.to_le_bytes());
    header[16..24].copy_from_slice(&created_ms.to_le_bytes());
    let crc = crc32c::crc32c(&header[..60]);
    header[60..64].copy_from_slice(&crc.to_le_bytes());
    header
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A file that has been begun.
    Sound,
    /// Never begun: zeros, or what a recycled file held before.
    Unused,
    Unknown {
        version: u32,
    },
    /// Neither; the frames behind it may still be sound.
    Damaged,
}

pub(crate) fn read_file_header(bytes: &[u8], file: u32) -> FileHeader {
    let Some(header) = bytes.get(..FILE_HEADER_BYTES) else {
        return FileHeader::Unused;
    };
    if header.iter().all(|byte| *byte == 0) {
        return FileHeader::Unused;
    }
    let version = u32_at(header, 8);
    if header[0..8] != FILE_MAGIC {
        return FileHeader::Damaged;
    }
    let sound = crc32c::crc32c(&header[..60]) == u32_at(header, 60);
    match (sound, version == VERSION) {
        (true, true) if u32_at(header, 12) == file && u64_at(header, 16) <= i64::MAX as u64 => FileHeader::Sound,
        (true, true) => FileHeader::Unused,
        (true, false) => FileHeader::Unknown { version },
        (false, _) => FileHeader::Damaged,
    }
}

/// Open log files and indexes for reading.
#[derive(Debug, Default)]
pub(crate) struct Handles(Mutex<HashMap<(u32, Kind), Arc<File>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Log,
    Sidecar,
    /// The index of the object of this group.
    Tier(u64),
}

impl Handles {
    pub(crate) fn get(&self, directory: &Path, file: u32, kind: Kind) -> io::Result<Arc<File>> {
        if let Some(open) = self.0.lock().get(&(file, kind)) {
            return Ok(open.clone());
        }
        let path = match kind {
            Kind::Log => log_path(directory, file),
            Kind::Sidecar => sidecar_path(directory, file),
            Kind::Tier(group) => tier_index_path(directory, file, group),
        };
        let opened = Arc::new(File::open(path)?);
        self.put(file, kind, opened.clone());
        Ok(opened)
    }

    pub(crate) fn put(&self, file: u32, kind: Kind, handle: Arc<File>) {
        let mut handles = self.0.lock();
        if handles.len() >= HANDLES_MAX {
            // The oldest file is the one that readers near the tip miss least.
            if let Some(oldest) = handles.keys().min_by_key(|(file, _)| *file).copied() {
                handles.remove(&oldest);
            }
        }
        handles.insert((file, kind), handle);
    }

    pub(crate) fn forget(&self, file: u32, kind: Kind) {
        self.0.lock().remove(&(file, kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_begun_unused_and_unknown_files_apart() {
        let header = file_header(7, 5);
        assert_eq!(read_file_header(&header, 7), FileHeader::Sound);
        assert_eq!(read_file_header(&header, 8), FileHeader::Unused, "recycled");
        assert_eq!(read_file_header(&[0; 64], 7), FileHeader::Unused);
        assert_eq!(read_file_header(&header[..10], 7), FileHeader::Unused);
        let mut damaged = header;
        damaged[20] ^= 1;
        assert_eq!(read_file_header(&damaged, 7), FileHeader::Damaged);
        let mut newer = header;
        newer[8] = 2;
        let crc = crc32c::crc32c(&newer[..60]);
        newer[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_file_header(&newer, 7), FileHeader::Unknown { version: 2 });
        assert_eq!(number_of(Path::new("/x/0000000007.log")), Some(7));
        assert_eq!(number_of(Path::new("/x/7.log")), None);
    }
}
