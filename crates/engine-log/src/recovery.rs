//! Opening: what the files hold, and what a crash left half-written.
//!
//! A file with a sidecar was finished in order. Any other is scanned frame by frame. At a frame that is not
//! sound, the rest of the file is searched for a later one that says "this place was durable when I was written":
//! then the damage is no torn tail, and the place is quarantined and passed over. Without such proof the frame
//! belongs to the last group written, which was never acknowledged, and the file ends there.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::disk::Disk;
use crate::files::{self, FILE_HEADER_BYTES, FileHeader, VERSION};
use crate::frame::{HEADER_BYTES, Header, KIND_ENDS, KIND_RECORDS, MAGIC, u64_at};
use crate::partition::{Frame, Partition};
use crate::sidecar;
use crate::status::Quarantined;

/// How much of a file is read at once.
const WINDOW_BYTES: usize = 1 << 20;
/// A partition's entry in a frame of ends: id, end offset, last arrival.
pub(crate) const END_BYTES: usize = 24;

/// A finished file.
#[derive(Debug)]
pub(crate) struct FileInfo {
    /// The partitions with frames in it.
    pub(crate) partitions: Vec<u64>,
    /// Frames and headers.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) partitions: HashMap<u64, Partition>,
    pub(crate) files: std::collections::BTreeMap<u32, FileInfo>,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) next_file: u32,
}

/// Reads the directory and leaves only finished files in it.
pub(crate) fn recover(disk: &Disk, directory: &Path) -> Result<Recovered, LogError> {
    let mut recovered = Recovered {
        next_file: 1,
        ..Recovered::default()
    };
    for (number, path) in log_files(directory)? {
        recovered.next_file = number + 1;
        let failed = |error: io::Error| LogError::io("recovering", &path, &error);
        let log = File::options().read(true).write(true).open(&path).map_err(failed)?;
        let mut first = [0; FILE_HEADER_BYTES];
        let first_bytes = log.read_at(&mut first, 0).map_err(failed)?;
        match files::read_file_header(&first[..first_bytes], number) {
            FileHeader::Unknown { version } => {
                return Err(LogError::Version {
                    path,
                    found: version,
                    known: VERSION,
                });
            }
            FileHeader::Unused => {
                std::fs::remove_file(&path).map_err(failed)?;
                continue;
            }
            FileHeader::Sound | FileHeader::Damaged => {}
        }
        recovered.file(disk, directory, number, &log).map_err(failed)?;
    }
    Ok(recovered)
}

fn log_files(directory: &Path) -> Result<Vec<(u32, PathBuf)>, LogError> {
    let failed = |error: io::Error| LogError::io("listing", directory, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(number) = files::number_of(&path) {
            found.push((number, path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "tmp" || extension == "spare")
        {
            // Sidecars cut off while being written and files kept for reuse hold nothing.
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl Recovered {
    fn file(&mut self, disk: &Disk, directory: &Path, number: u32, log: &File) -> io::Result<()> {
        let mut scan = Scan {
            window: Window::new(log)?,
            number,
            quarantined: Vec::new(),
        };
        if let Some(finished) = sidecar::read(directory, number)? {
            // Only the ends at its front are of interest; the sidecar knows the rest.
            if let Some((header, payload)) = scan.sound_frame(FILE_HEADER_BYTES as u64)?
                && header.kind == KIND_ENDS
            {
                self.ends(&payload);
            }
            let bytes = log.metadata()?.len();
            self.files.insert(
                number,
                FileInfo {
                    partitions: finished.pieces.iter().map(|(id, _)| *id).collect(),
                    bytes,
                },
            );
            self.quarantined.extend(finished.quarantined);
            for (id, piece) in finished.pieces {
                let partition = self.partition(id);
                let mut state = partition.state();
                state.end = state.end.max(piece.end);
                state.next = state.end;
                state.last_arrival_ms = state.last_arrival_ms.max(piece.last_arrival_ms);
                state.pieces.push_back(piece);
            }
            return Ok(());
        }
        let mut touched = Vec::new();
        let end = scan.run(|header, payload| match header.kind {
            KIND_ENDS => self.ends(payload),
            KIND_RECORDS => {
                let partition = self.partition(header.partition);
                let mut state = partition.state();
                if header.base_offset < state.end {
                    tracing::error!(
                        file = number,
                        at = header.at,
                        partition = header.partition,
                        "a frame repeats offsets that stand in an earlier one; it is passed over"
                    );
                    return;
                }
                if state.piece_of(number).is_none() {
                    touched.push(partition.clone());
                }
                let frame = Frame {
                    base_offset: header.base_offset,
                    arrival_ms: header.arrival_ms,
                    at: header.at,
                    bytes: header.frame_bytes() as u32,
                };
                state.add(number, frame, header.span);
            }
            _ => {}
        })?;
        // What lies behind the end is cut off for good, so that it can never be taken for content later.
        log.set_len(end)?;
        log.sync_all()?;
        seal(disk, directory, number, &touched, &scan.quarantined)?;
        disk.sync_directory(directory)?;
        self.files.insert(
            number,
            FileInfo {
                partitions: touched.iter().map(Partition::id).collect(),
                bytes: end,
            },
        );
        self.quarantined.append(&mut scan.quarantined);
        Ok(())
    }

    fn partition(&mut self, id: u64) -> Partition {
        self.partitions.entry(id).or_insert_with(|| Partition::new(id)).clone()
    }

    fn ends(&mut self, payload: &[u8]) {
        for entry in payload.chunks_exact(END_BYTES) {
            let partition = self.partition(u64_at(entry, 0));
            let mut state = partition.state();
            state.end = state.end.max(u64_at(entry, 8));
            state.next = state.end;
            state.last_arrival_ms = state.last_arrival_ms.max(u64_at(entry, 16) as i64);
        }
    }
}

/// Writes the sidecar of a file and lets the partitions find their frames there.
pub(crate) fn seal(
    disk: &Disk,
    directory: &Path,
    number: u32,
    touched: &[Partition],
    quarantined: &[Quarantined],
) -> io::Result<()> {
    let piece = |partition: &Partition| Some((partition.id(), partition.state().piece_of(number)?.clone()));
    let pieces = touched.iter().filter_map(piece).collect::<Vec<_>>();
    let mut moved = sidecar::write(disk, directory, number, &pieces, quarantined)?.into_iter();
    for partition in touched {
        let mut state = partition.state();
        let at = state.pieces.partition_point(|piece| piece.file < number);
        let Some(piece) = state.pieces.get_mut(at).filter(|piece| piece.file == number) else {
            continue;
        };
        if let Some((_, moved)) = moved.by_ref().find(|(id, _)| *id == partition.id()) {
            *piece = moved;
        }
    }
    Ok(())
}

struct Scan<'f> {
    window: Window<'f>,
    number: u32,
    quarantined: Vec<Quarantined>,
}

impl Scan<'_> {
    /// Calls `each` with every sound frame and returns where the file's content ends.
    fn run(&mut self, mut each: impl FnMut(&Header, &[u8])) -> io::Result<u64> {
        let mut at = FILE_HEADER_BYTES as u64;
        loop {
            if let Some((header, payload)) = self.sound_frame(at)? {
                each(&header, &payload);
                at += header.frame_bytes() as u64;
                continue;
            }
            let Some(next) = self.next_proof(at)? else {
                return Ok(at);
            };
            tracing::error!(
                file = self.number,
                at,
                until = next,
                "durable bytes of the log are damaged; they are quarantined"
            );
            self.quarantined.push(Quarantined {
                file: self.number,
                at: at as u32,
                bytes: (next - at) as u32,
            });
            at = next;
        }
    }

    /// The frame at byte `at`, if it is sound to its last byte.
    fn sound_frame(&mut self, at: u64) -> io::Result<Option<(Header, Vec<u8>)>> {
        let Some(place) = u32::try_from(at).ok() else {
            return Ok(None);
        };
        let Some(head) = self.window.get(at, HEADER_BYTES)? else {
            return Ok(None);
        };
        if head[0..4] != MAGIC {
            return Ok(None);
        }
        let payload_bytes = crate::frame::u32_at(head, 8) as usize;
        let Some(frame) = self.window.get(at, HEADER_BYTES + payload_bytes)? else {
            return Ok(None);
        };
        let Some(header) = Header::read(frame, self.number, place) else {
            return Ok(None);
        };
        let payload = &frame[HEADER_BYTES..];
        Ok(header.payload_is_sound(payload).then(|| (header, payload.to_vec())))
    }

    /// The first sound frame behind `at`, provided that one from there on proves that `at` was durable.
    fn next_proof(&mut self, at: u64) -> io::Result<Option<u64>> {
        let mut first = None;
        let mut from = at + 8;
        while let Some(found) = self.window.find_magic(from)? {
            if let Some((header, _)) = self.sound_frame(found)? {
                let first = *first.get_or_insert(found);
                if u64::from(header.durable) > at {
                    return Ok(Some(first));
                }
                from = found + header.frame_bytes() as u64;
            } else {
                from = found + 1;
            }
        }
        Ok(None)
    }
}

/// A view on a file that is read forward, mostly.
struct Window<'f> {
    file: &'f File,
    file_bytes: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl<'f> Window<'f> {
    fn new(file: &'f File) -> io::Result<Self> {
        Ok(Self {
            file,
            file_bytes: file.metadata()?.len(),
            at: 0,
            bytes: Vec::new(),
        })
    }

    fn get(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if at + count as u64 > self.file_bytes {
            return Ok(None);
        }
        if at < self.at || at + count as u64 > self.at + self.bytes.len() as u64 {
            let wanted = count.max(WINDOW_BYTES).min((self.file_bytes - at) as usize);
            self.bytes.resize(wanted, 0);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.at = at;
        }
        let from = (at - self.at) as usize;
        Ok(Some(&self.bytes[from..from + count]))
    }

    /// Where the next frame's magic stands, at or behind `from`.
    fn find_magic(&mut self, mut from: u64) -> io::Result<Option<u64>> {
        while from + (HEADER_BYTES as u64) <= self.file_bytes {
            let count = WINDOW_BYTES.min((self.file_bytes - from) as usize);
            let Some(bytes) = self.get(from, count)? else {
                return Ok(None);
            };
            if let Some(found) = memchr::memmem::find(bytes, &MAGIC) {
                return Ok(Some(from + found as u64));
            }
            from += (count - MAGIC.len() + 1) as u64;
        }
        Ok(None)
    }
}
