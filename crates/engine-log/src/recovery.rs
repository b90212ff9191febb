//! Opening: what the files hold, and what a crash left half-written.
//!
//! A file with a sidecar was finished in order. Any other is scanned frame by frame. At a frame that is not
//! sound, the rest of the file is searched for a later one that says "this place was durable when I was written":
//! then the damage is no torn tail, and the place is quarantined and passed over. Without such proof the frame
//! belongs to the last group written, which was never acknowledged, and the file ends there.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use store_objects::Remote;

use crate::LogError;
use crate::disk::Disk;
use crate::error::is_full;
use crate::files::{self, FILE_HEADER_BYTES, FileHeader, VERSION};
use crate::frame::{HEADER_BYTES, Header, KIND_ENDS, KIND_RECORDS, MAGIC, u32_at, u64_at};
use crate::partition::{Frame, Home, Partition, Piece};
use crate::sidecar;
use crate::status::Quarantined;
use crate::tier::{self, Tiered};

/// How much of a file is read at once.
const WINDOW_BYTES: usize = 1 << 20;
/// How much of a file that seems never to have been begun is searched for frames.
const UNUSED_SEARCH_BYTES: u64 = 16 << 20;
/// A partition's entry in a frame of ends: id, end offset, last arrival.
pub(crate) const END_BYTES: usize = 24;

/// A finished file.
#[derive(Debug)]
pub(crate) struct FileInfo {
    /// The partitions with frames in it.
    pub(crate) partitions: Vec<u64>,
    /// Frames and headers.
    pub(crate) bytes: u64,
    /// Whether it says where every partition ended when it was begun.
    pub(crate) has_ends: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) partitions: HashMap<u64, Partition>,
    pub(crate) files: BTreeMap<u32, FileInfo>,
    pub(crate) tiered: BTreeMap<(u32, u64), Tiered>,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) next_file: u32,
}

/// Reads the directory and leaves only finished files in it.
pub(crate) fn recover(disk: &Disk, directory: &Path, tier: Option<&Remote>) -> Result<Recovered, LogError> {
    let mut recovered = Recovered {
        next_file: 1,
        ..Recovered::default()
    };
    let found = found_files(directory)?;
    if let (None, Some((file, group))) = (tier, found.tiered.first()) {
        tracing::error!(
            file,
            group,
            "records were moved to a tier, and none is set: they cannot be read"
        );
    }
    let mut tiered = found.tiered.into_iter().peekable();
    for (number, path) in found.logs {
        while let Some((file, group)) = tiered.next_if(|(file, _)| *file <= number) {
            recovered.object(disk, directory, tier, file, group)?;
        }
        recovered.next_file = number + 1;
        let failed = |error: io::Error| LogError::io("recovering", &path, &error);
        let log = File::options().read(true).write(true).open(&path).map_err(failed)?;
        let mut first = [0; FILE_HEADER_BYTES];
        let first_bytes = log.read_at(&mut first, 0).map_err(failed)?;
        let header = files::read_file_header(&first[..first_bytes], number);
        match header {
            FileHeader::Unknown { version } => {
                return Err(LogError::Version {
                    path,
                    found: version,
                    known: VERSION,
                });
            }
            FileHeader::Unused if !holds_frames(directory, number, &log).map_err(failed)? => {
                std::fs::remove_file(&path).map_err(failed)?;
                continue;
            }
            FileHeader::Sound | FileHeader::Damaged | FileHeader::Unused => {}
        }
        let is_header_sound = header == FileHeader::Sound;
        recovered
            .file(disk, directory, number, &log, is_header_sound)
            .map_err(failed)?;
    }
    for (file, group) in tiered {
        recovered.object(disk, directory, tier, file, group)?;
        recovered.next_file = recovered.next_file.max(file + 1);
    }
    Ok(recovered)
}

/// Whether a file with the header of an unused one has content after all: then its header is what is damaged.
fn holds_frames(directory: &Path, number: u32, log: &File) -> io::Result<bool> {
    if files::sidecar_path(directory, number).exists() {
        return Ok(true);
    }
    let mut scan = Scan::new(log, number)?;
    scan.window.file_bytes = scan.window.file_bytes.min(UNUSED_SEARCH_BYTES);
    let mut from = FILE_HEADER_BYTES as u64;
    while let Some(found) = scan.window.find_magic(from)? {
        if scan.sound_frame(found)?.is_some() {
            return Ok(true);
        }
        from = found + 1;
    }
    Ok(false)
}

#[derive(Default)]
struct Found {
    logs: Vec<(u32, PathBuf)>,
    /// File and group.
    tiered: Vec<(u32, u64)>,
}

fn found_files(directory: &Path) -> Result<Found, LogError> {
    let failed = |error: io::Error| LogError::io("listing", directory, &error);
    let mut found = Found::default();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(number) = files::number_of(&path) {
            found.logs.push((number, path));
        } else if let Some(object) = files::tiered_of(&path) {
            found.tiered.push(object);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "tmp" || extension == "spare")
        {
            // Sidecars cut off while being written and files kept for reuse hold nothing.
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    found.logs.sort_unstable();
    found.tiered.sort_unstable();
    Ok(found)
}

impl Recovered {
    fn file(
        &mut self,
        disk: &Disk,
        directory: &Path,
        number: u32,
        log: &File,
        is_header_sound: bool,
    ) -> io::Result<()> {
        let mut scan = Scan::new(log, number)?;
        let mut has_ends = false;
        if let Some(finished) = sidecar::read(&files::sidecar_path(directory, number), number, Home::File)? {
            // Only the ends at its front are of interest; the sidecar knows the rest.
            if let Some((header, payload)) = scan.sound_frame(FILE_HEADER_BYTES as u64)?
                && header.kind == KIND_ENDS
            {
                self.ends(&payload);
                has_ends = true;
            }
            let bytes = log.metadata()?.len();
            let partitions = self.pieces(finished.pieces);
            self.files.insert(
                number,
                FileInfo {
                    partitions,
                    bytes,
                    has_ends,
                },
            );
            self.quarantined.extend(finished.quarantined);
            return Ok(());
        }
        let mut touched = Vec::new();
        let mut durable = 0;
        let end = scan.run(|header, payload| match header.kind {
            KIND_ENDS => {
                self.ends(payload);
                has_ends = true;
            }
            KIND_RECORDS => {
                durable = durable.max(header.durable);
                let partition = self.partition(header.partition);
                let mut state = partition.state();
                if state.piece_of(number).is_some_and(|piece| piece.home != Home::File) {
                    // They were moved to the tier.
                    return;
                }
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
        if end == FILE_HEADER_BYTES as u64 {
            let path = files::log_path(directory, number);
            if is_header_sound {
                // A crash came before the first group was whole. The file says nothing, not even where partitions
                // end.
                std::fs::remove_file(&path)?;
            } else {
                tracing::error!(file = number, "nothing in a log file is sound; it is put aside");
                std::fs::rename(&path, path.with_extension("damaged"))?;
            }
            return disk.sync_directory(directory);
        }
        // What lies behind the end is cut off for good, so that it can never be taken for content later.
        log.set_len(end)?;
        write_again(disk, log, u64::from(durable), end)?;
        disk.sync_data(log)?;
        match seal(disk, directory, number, &touched, &scan.quarantined) {
            // The index stays in memory, and the next start scans the file again.
            Err(error) if is_full(&error) => {
                tracing::warn!(file = number, "there is no room for a log file's sidecar");
            }
            sealed => sealed?,
        }
        disk.sync_directory(directory)?;
        self.files.insert(
            number,
            FileInfo {
                partitions: touched.iter().map(Partition::id).collect(),
                bytes: end,
                has_ends,
            },
        );
        self.quarantined.append(&mut scan.quarantined);
        Ok(())
    }

    /// An object in the tier, by its index, or where that is damaged by what is in it.
    fn object(
        &mut self,
        disk: &Disk,
        directory: &Path,
        tier: Option<&Remote>,
        file: u32,
        group: u64,
    ) -> Result<(), LogError> {
        let path = files::tier_index_path(directory, file, group);
        let home = Home::Tier(group);
        let read = || {
            if let Some(finished) = sidecar::read(&path, file, home)? {
                return Ok(finished.pieces);
            }
            tracing::error!(
                file,
                group,
                "the index of records in the tier is damaged; it is made again"
            );
            let log = tier::fetch(tier::configured(tier)?, directory, &tier::object_name(file, group))?;
            let made = sidecar::write(disk, &path, file, &pieces_of(&log, file, home)?, &[])?;
            disk.sync_directory(directory)?;
            Ok::<_, io::Error>(made)
        };
        let pieces = read().map_err(|error| LogError::io("recovering", &path, &error))?;
        let bytes = pieces.iter().map(|(_, piece)| piece.bytes).sum();
        let partitions = self.pieces(pieces);
        self.tiered.insert((file, group), Tiered { partitions, bytes });
        Ok(())
    }

    /// Takes up pieces of a file, but those that it has in the tier already; returns whose they are.
    fn pieces(&mut self, pieces: Vec<(u64, Piece)>) -> Vec<u64> {
        let mut taken = Vec::with_capacity(pieces.len());
        for (id, piece) in pieces {
            let partition = self.partition(id);
            let mut state = partition.state();
            if state.piece_of(piece.file).is_some() {
                continue;
            }
            state.end = state.end.max(piece.end);
            state.next = state.end;
            state.last_arrival_ms = state.last_arrival_ms.max(piece.last_arrival_ms);
            state.pieces.push_back(piece);
            taken.push(id);
        }
        taken
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

/// The frames of a partition as the log file itself shows them, for when its sidecar cannot be trusted.
pub(crate) fn frames_of(log: &File, number: u32, partition: u64) -> io::Result<Vec<Frame>> {
    let mut frames = Vec::<Frame>::new();
    Scan::new(log, number)?.run(|header, _| {
        let follows = frames.last().is_none_or(|last| last.base_offset < header.base_offset);
        if header.kind == KIND_RECORDS && header.partition == partition && follows {
            frames.push(Frame {
                base_offset: header.base_offset,
                arrival_ms: header.arrival_ms,
                at: header.at,
                bytes: header.frame_bytes() as u32,
            });
        }
    })?;
    Ok(frames)
}

/// What an object holds, as it shows itself.
fn pieces_of(log: &File, number: u32, home: Home) -> io::Result<Vec<(u64, Piece)>> {
    let mut found = Recovered::default();
    Scan::new(log, number)?.run(|header, _| {
        let frame = Frame {
            base_offset: header.base_offset,
            arrival_ms: header.arrival_ms,
            at: header.at,
            bytes: header.frame_bytes() as u32,
        };
        let partition = found.partition(header.partition);
        partition.state().add(number, frame, header.span);
    })?;
    let piece = |(id, partition): (&u64, &Partition)| {
        let piece = partition.state().piece_of(number)?.clone();
        Some((*id, Piece { home, ..piece }))
    };
    Ok(found.partitions.iter().filter_map(piece).collect())
}

/// Writes what stands between two places of the file once more. After a sync that failed the kernel may hold content
/// that is not on the disk and that it takes for written, so syncing alone would not bring it there; readers see it
/// from now on, and the next power cut must not take it away.
fn write_again(disk: &Disk, log: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut bytes = Vec::new();
    while at < end {
        bytes.resize(WINDOW_BYTES.min((end - at) as usize), 0);
        log.read_exact_at(&mut bytes, at)?;
        disk.write_all_at(log, &mut [IoSlice::new(&bytes)], at)?;
        at += bytes.len() as u64;
    }
    Ok(())
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
    let path = files::sidecar_path(directory, number);
    let mut moved = sidecar::write(disk, &path, number, &pieces, quarantined)?.into_iter();
    for partition in touched {
        let mut state = partition.state();
        let Some(piece) = state.piece_of_mut(number) else {
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

impl<'f> Scan<'f> {
    fn new(log: &'f File, number: u32) -> io::Result<Self> {
        Ok(Self {
            window: Window::new(log)?,
            number,
            quarantined: Vec::new(),
        })
    }

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
        // Records may hold what looks like frames, so a frame is read whole only where it says it belongs here.
        if head[0..4] != MAGIC || u32_at(head, 40) != self.number || u32_at(head, 44) != place {
            return Ok(None);
        }
        let payload_bytes = u32_at(head, 8) as usize;
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
