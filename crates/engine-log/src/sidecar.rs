//! The index of a finished log file, its sidecar, or of an object in the tier: where each partition's frames stand.
//!
//! It only repeats what the file or the object says, so a damaged one is made again from that.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::Disk;
use crate::frame::{u32_at, u64_at};
use crate::partition::{Entries, Frame, Home, Index, Piece};
use crate::status::Quarantined;

const MAGIC: [u8; 8] = *b"catchidx";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 40;
const PARTITION_BYTES: usize = 64;
pub(crate) const ENTRY_BYTES: usize = 24;
const QUARANTINED_BYTES: usize = 8;

/// What a sidecar says of its file.
#[derive(Debug, Default)]
pub(crate) struct Sidecar {
    pub(crate) pieces: Vec<(u64, Piece)>,
    pub(crate) quarantined: Vec<Quarantined>,
}

/// Writes the index of `file`, or of an object with its frames, durably to `path` and gives the pieces with their
/// index there instead of in memory.
pub(crate) fn write(
    disk: &Disk,
    path: &Path,
    file: u32,
    pieces: &[(u64, Piece)],
    quarantined: &[Quarantined],
) -> io::Result<Vec<(u64, Piece)>> {
    let mut header = Vec::with_capacity(HEADER_BYTES + pieces.len() * PARTITION_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(file.to_le_bytes());
    header.extend((pieces.len() as u32).to_le_bytes());
    header.extend((quarantined.len() as u32).to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    let mut at = (HEADER_BYTES + pieces.len() * PARTITION_BYTES + quarantined.len() * QUARANTINED_BYTES) as u64;
    let mut entries = Vec::new();
    let mut moved = Vec::with_capacity(pieces.len());
    for (partition, piece) in pieces {
        let Index::Memory(frames) = &piece.index else { continue };
        let from = entries.len();
        for frame in frames {
            entries.extend(frame.base_offset.to_le_bytes());
            entries.extend(frame.arrival_ms.to_le_bytes());
            entries.extend(frame.at.to_le_bytes());
            entries.extend(frame.bytes.to_le_bytes());
        }
        header.extend(partition.to_le_bytes());
        header.extend(piece.first.to_le_bytes());
        header.extend(piece.end.to_le_bytes());
        header.extend(piece.first_arrival_ms.to_le_bytes());
        header.extend(piece.last_arrival_ms.to_le_bytes());
        header.extend(piece.bytes.to_le_bytes());
        header.extend(at.to_le_bytes());
        header.extend((frames.len() as u32).to_le_bytes());
        header.extend(crc32c::crc32c(&entries[from..]).to_le_bytes());
        moved.push((
            *partition,
            Piece {
                index: Index::Sidecar(Entries {
                    at,
                    count: frames.len() as u32,
                    crc: crc32c::crc32c(&entries[from..]),
                    is_checked: true,
                }),
                ..piece.clone()
            },
        ));
        at += (frames.len() * ENTRY_BYTES) as u64;
    }
    for place in quarantined {
        header.extend(place.at.to_le_bytes());
        header.extend(place.bytes.to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..HEADER_BYTES - 4]), &header[HEADER_BYTES..]);
    header[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());

    let temporary = path.with_extension("idx.tmp");
    let written = File::create(&temporary).and_then(|mut out| {
        out.write_all(&header)?;
        out.write_all(&entries)?;
        disk.sync_data(&out)?;
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        // What is half written would only take room that may be what is missing.
        drop(std::fs::remove_file(&temporary));
    }
    written.map(|()| moved)
}

/// Reads what stands before the entries. `None` where there is no sound sidecar of this version. The entries are
/// not looked at, so that opening a large log stays fast; [`are_sound`] does that before they are first used.
pub(crate) fn read(path: &Path, file: u32, home: Home) -> io::Result<Option<Sidecar>> {
    let sidecar = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let bytes = sidecar.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    if bytes < HEADER_BYTES as u64 {
        return Ok(None);
    }
    sidecar.read_exact_at(&mut header, 0)?;
    if header[0..8] != MAGIC || u32_at(&header, 8) != VERSION || u32_at(&header, 12) != file {
        return Ok(None);
    }
    let partitions_bytes = u64::from(u32_at(&header, 16)) * PARTITION_BYTES as u64;
    let body_bytes = partitions_bytes + u64::from(u32_at(&header, 20)) * QUARANTINED_BYTES as u64;
    if HEADER_BYTES as u64 + body_bytes > bytes {
        return Ok(None);
    }
    let mut body = vec![0; body_bytes as usize];
    sidecar.read_exact_at(&mut body, HEADER_BYTES as u64)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..HEADER_BYTES - 4]), &body);
    if crc != u32_at(&header, HEADER_BYTES - 4) {
        return Ok(None);
    }
    let (partitions, quarantined) = body.split_at(partitions_bytes as usize);
    let mut found = Sidecar::default();
    for entry in partitions.chunks_exact(PARTITION_BYTES) {
        let (at, count) = (u64_at(entry, 48), u32_at(entry, 56));
        if at + u64::from(count) * ENTRY_BYTES as u64 > bytes {
            return Ok(None);
        }
        let piece = Piece {
            file,
            first: u64_at(entry, 8),
            end: u64_at(entry, 16),
            first_arrival_ms: u64_at(entry, 24) as i64,
            last_arrival_ms: u64_at(entry, 32) as i64,
            bytes: u64_at(entry, 40),
            index: Index::Sidecar(Entries {
                at,
                count,
                crc: u32_at(entry, 60),
                is_checked: false,
            }),
            home,
        };
        found.pieces.push((u64_at(entry, 0), piece));
    }
    for place in quarantined.chunks_exact(QUARANTINED_BYTES) {
        found.quarantined.push(Quarantined {
            file,
            at: u32_at(place, 0),
            bytes: u32_at(place, 4),
        });
    }
    Ok(Some(found))
}

/// Whether the entries are what was written.
pub(crate) fn are_sound(sidecar: &File, entries: Entries) -> io::Result<bool> {
    let mut bytes = vec![0; entries.count as usize * ENTRY_BYTES];
    sidecar.read_exact_at(&mut bytes, entries.at)?;
    Ok(crc32c::crc32c(&bytes) == entries.crc)
}

/// The entries with numbers `from..from + count` of the piece whose entries begin at `at`.
pub(crate) fn entries(sidecar: &File, at: u64, from: u32, count: u32) -> io::Result<Vec<Frame>> {
    let mut bytes = vec![0; count as usize * ENTRY_BYTES];
    sidecar.read_exact_at(&mut bytes, at + u64::from(from) * ENTRY_BYTES as u64)?;
    let entry = |bytes: &[u8]| Frame {
        base_offset: u64_at(bytes, 0),
        arrival_ms: u64_at(bytes, 8) as i64,
        at: u32_at(bytes, 16),
        bytes: u32_at(bytes, 20),
    };
    Ok(bytes.chunks_exact(ENTRY_BYTES).map(entry).collect())
}

/// How many of the piece's entries come before the first for which `before` is false: a binary search in the
/// file, which the page cache keeps cheap.
pub(crate) fn partition_point(sidecar: &File, at: u64, count: u32, before: impl Fn(&Frame) -> bool) -> io::Result<u32> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if entries(sidecar, at, middle, 1)?.first().is_some_and(&before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
