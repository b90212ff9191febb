//! Reading: by offset, by time, always and only what is durable and not past its retention.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::Millis;
use bytes::Bytes;

use crate::LogError;
use crate::batch::{self, ProducerId, Record, Unreadable};
use crate::encryption::Sealed;
use crate::files::Kind;
use crate::frame::{HEADER_BYTES, Header};
use crate::log::{Log, Shared};
use crate::partition::{Entries, Frame, Home, Index, Partition, Piece};
use crate::tier::Source;
use crate::{recovery, sidecar};

/// Frames are read together where at most this much lies between them.
const GAP_BYTES_MAX: u32 = 8 << 10;
/// How many frames are looked up at once.
const FRAMES_MAX: usize = 1024;

/// How much of other producers one read passes over.
const PASSED_BYTES_MAX: usize = 64 << 20;

/// What a read found.
#[derive(Debug, Clone, Default)]
pub struct Records {
    pub records: Vec<Record>,
    /// Where the next read goes on.
    pub next_offset: u64,
    /// The first offset that can be read, and one past the last.
    pub start_offset: u64,
    pub end_offset: u64,
}

impl Log {
    /// The records at `from` and behind it, or at the first one that is left where `from` lies before it: at
    /// most `records_max` of them with `bytes_max` bytes of keys and data together, but always one if there is
    /// one and `records_max` allows it.
    pub async fn read(
        &self,
        partition: &Partition,
        from: u64,
        bytes_max: usize,
        records_max: usize,
    ) -> Result<Records, LogError> {
        self.read_where(partition, from, bytes_max, records_max, None).await
    }

    /// As [`Log::read`], but only the records of batches that this producer wrote. There may be none before
    /// [`Records::next_offset`] and more behind it.
    pub async fn read_of(
        &self,
        producer: ProducerId,
        partition: &Partition,
        from: u64,
        bytes_max: usize,
        records_max: usize,
    ) -> Result<Records, LogError> {
        self.read_where(partition, from, bytes_max, records_max, Some(producer))
            .await
    }

    async fn read_where(
        &self,
        partition: &Partition,
        from: u64,
        bytes_max: usize,
        records_max: usize,
        producer: Option<ProducerId>,
    ) -> Result<Records, LogError> {
        {
            let state = partition.state();
            if state.removed {
                return Err(LogError::NoPartition);
            }
            if from >= state.end || records_max == 0 {
                let next_offset = from.max(state.start);
                return Ok(Records {
                    records: Vec::new(),
                    next_offset,
                    start_offset: state.start,
                    end_offset: state.end,
                });
            }
        }
        let partition = partition.clone();
        self.blocking(move |shared| read(shared, &partition, from, bytes_max, records_max, producer))
            .await
    }

    /// The first offset that can be read now.
    pub async fn start_offset(&self, partition: &Partition) -> Result<u64, LogError> {
        let partition = partition.clone();
        self.blocking(move |shared| start_offset(shared, &partition)).await
    }

    /// The offset of the first record that arrived at `arrival_ms` or later; the end offset where none did.
    pub async fn offset_at(&self, partition: &Partition, arrival_ms: Millis) -> Result<u64, LogError> {
        let partition = partition.clone();
        self.blocking(
            move |shared| Ok(start_offset(shared, &partition)?.max(first_at(shared, &partition, arrival_ms)?)),
        )
        .await
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let _room = self.0.reads.acquire().await.map_err(|_| LogError::Closed)?;
        let shared = self.shared().clone();
        let done = self
            .shared()
            .tasks
            .spawn_blocking(move || work(&shared).map_err(|error| failed(&shared, error)));
        done.await.unwrap_or(Err(LogError::Closed))
    }
}

fn failed(shared: &Shared, error: io::Error) -> LogError {
    match error.downcast::<LogError>() {
        Ok(own) => own,
        Err(error) => LogError::io("reading", &shared.directory, &error),
    }
}

fn start_offset(shared: &Shared, partition: &Partition) -> io::Result<u64> {
    let retention_ms = partition.retention_ms();
    if retention_ms == Millis::MAX {
        return Ok(partition.state().start);
    }
    let first = first_at(shared, partition, shared.clock.now_ms().saturating_sub(retention_ms))?;
    let mut state = partition.state();
    state.start = state.start.max(first);
    Ok(state.start)
}

fn first_at(shared: &Shared, partition: &Partition, arrival_ms: Millis) -> io::Result<u64> {
    loop {
        let (file, home, index, end) = {
            let state = partition.state();
            let older = state.pieces.partition_point(|piece| piece.last_arrival_ms < arrival_ms);
            let Some(piece) = state.pieces.get(older) else {
                return Ok(state.end);
            };
            if piece.first_arrival_ms >= arrival_ms {
                return Ok(piece.first);
            }
            match &piece.index {
                Index::Memory(frames) => {
                    let at = frames.partition_point(|frame| frame.arrival_ms < arrival_ms);
                    return Ok(frames.get(at).map_or(piece.end, |frame| frame.base_offset));
                }
                Index::Sidecar(entries) => (piece.file, piece.home, *entries, piece.end),
            }
        };
        let search = || {
            let Some((sidecar, at, count)) = checked(shared, partition, file, home, index)? else {
                return Ok(None);
            };
            let found = sidecar::partition_point(&sidecar, at, count, |frame| frame.arrival_ms < arrival_ms)?;
            if found == count {
                return Ok(Some(end));
            }
            let entry = sidecar::entries(&sidecar, at, found, 1)?;
            Ok(Some(entry.first().map_or(end, |frame| frame.base_offset)))
        };
        match search() {
            // The index is another now.
            Ok(None) => {}
            // The file was reclaimed or moved in between; look again at what is left.
            Err(_) if partition.state().piece_at(file, home).is_none() => {}
            Ok(Some(offset)) => return Ok(offset),
            Err(error) => return Err(error),
        }
    }
}

fn read(
    shared: &Shared,
    partition: &Partition,
    from: u64,
    bytes_max: usize,
    records_max: usize,
    producer: Option<ProducerId>,
) -> io::Result<Records> {
    let mut reader = Reader {
        producer,
        passed_bytes: 0,
        records: Vec::new(),
        bytes_left: bytes_max,
        records_max,
        cursor: from,
        full: false,
        sealed: None,
    };
    let mut start_offset = start_offset(shared, partition)?;
    while !reader.full {
        reader.cursor = reader.cursor.max(start_offset);
        let Some(plan) = reader.plan(shared, partition)? else {
            let state = partition.state();
            if state.pieces.back().is_some_and(|last| last.end > reader.cursor) {
                continue;
            }
            // What stood between here and the end is lost. A reader that stayed would come back at once, for ever.
            reader.cursor = reader.cursor.max(state.end);
            break;
        };
        match reader.take(shared, partition, &plan) {
            // The file was reclaimed in between, so the partition starts later now, or its records were moved.
            Err(_) if partition.state().piece_at(plan.file, plan.home).is_none() => {
                start_offset = partition.state().start;
            }
            other => other?,
        }
    }
    if let Some(sealed) = reader.sealed {
        let why = match sealed {
            Sealed::Undecryptable => LogError::Undecryptable,
            Sealed::Unusable(state) => LogError::Key(state),
        };
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let end_offset = partition.state().end;
    Ok(Records {
        records: reader.records,
        next_offset: reader.cursor,
        start_offset,
        end_offset,
    })
}

/// The sidecar, and where in it how many entries of the partition stand, once they have proved to be what was
/// written. Where they do not, the index is made again from the log file, and `None` says to look at it again.
fn checked(
    shared: &Shared,
    partition: &Partition,
    file: u32,
    home: Home,
    entries: Entries,
) -> io::Result<Option<(Arc<File>, u64, u32)>> {
    let kind = match home {
        Home::File => Kind::Sidecar,
        Home::Tier(group) => Kind::Tier(group),
    };
    let sidecar = shared.handles.get(&shared.directory, file, kind)?;
    let place = (entries.at, entries.count);
    if entries.is_checked {
        return Ok(Some((sidecar, place.0, place.1)));
    }
    let index = if sidecar::are_sound(&sidecar, entries)? {
        Index::Sidecar(Entries {
            is_checked: true,
            ..entries
        })
    } else {
        tracing::error!(
            partition = partition.id(),
            file,
            "the index of a log file is damaged; it is made again from the file"
        );
        let log = Source::open(shared, file, home)?.as_file(&shared.directory)?;
        let frames = recovery::frames_of(&log, file, partition.id())?;
        // Readers do not come by the frames that are damaged themselves, since no index names them any more.
        let lost = u64::from(entries.count).saturating_sub(frames.len() as u64);
        shared.damaged_frames.fetch_add(lost, Ordering::Relaxed);
        Index::Memory(frames)
    };
    let mut state = partition.state();
    if let Some(piece) = state.piece_of_mut(file).filter(|piece| piece.home == home) {
        piece.index = index;
    }
    Ok(None)
}

/// A partition's piece of a file with all its frames; `None` where it is not there any more.
pub(crate) fn frames(
    shared: &Shared,
    partition: &Partition,
    file: u32,
    home: Home,
) -> io::Result<Option<(Piece, Vec<Frame>)>> {
    loop {
        let Some(piece) = partition.state().piece_at(file, home).cloned() else {
            return Ok(None);
        };
        match &piece.index {
            Index::Memory(frames) => {
                let frames = frames.clone();
                return Ok(Some((piece, frames)));
            }
            Index::Sidecar(entries) => {
                if let Some((sidecar, at, count)) = checked(shared, partition, file, home, *entries)? {
                    return Ok(Some((piece, sidecar::entries(&sidecar, at, 0, count)?)));
                }
            }
        }
    }
}

/// Frames to read next.
struct Plan {
    file: u32,
    home: Home,
    frames: Vec<Frame>,
    /// The offset behind the last of them.
    end: u64,
}

struct Reader {
    /// Whose records are wanted, where not all are.
    producer: Option<ProducerId>,
    /// What was read of others meanwhile.
    passed_bytes: usize,
    records: Vec<Record>,
    bytes_left: usize,
    records_max: usize,
    /// The next offset to look for.
    cursor: u64,
    full: bool,
    sealed: Option<Sealed>,
}

impl Reader {
    /// The next frames to read. `None` at the partition's end.
    fn plan(&self, shared: &Shared, partition: &Partition) -> io::Result<Option<Plan>> {
        loop {
            let (file, home, index, end) = {
                let state = partition.state();
                let passed = state.pieces.partition_point(|piece| piece.end <= self.cursor);
                let Some(piece) = state.pieces.get(passed) else {
                    return Ok(None);
                };
                match &piece.index {
                    Index::Memory(frames) => {
                        let first = frames
                            .partition_point(|frame| frame.base_offset <= self.cursor)
                            .saturating_sub(1);
                        let (chosen, more) = self.choose(&frames[first..]);
                        let end = frames
                            .get(first + chosen.len())
                            .filter(|_| more)
                            .map_or(piece.end, |next| next.base_offset);
                        return Ok(Some(Plan {
                            file: piece.file,
                            home: piece.home,
                            frames: chosen,
                            end,
                        }));
                    }
                    Index::Sidecar(entries) => (piece.file, piece.home, *entries, piece.end),
                }
            };
            let look_up = || {
                let Some((sidecar, at, count)) = checked(shared, partition, file, home, index)? else {
                    return Ok(None);
                };
                let behind = sidecar::partition_point(&sidecar, at, count, |frame| frame.base_offset <= self.cursor)?;
                let first = behind.saturating_sub(1);
                let found = sidecar::entries(&sidecar, at, first, (count - first).min(FRAMES_MAX as u32 + 1))?;
                let (chosen, more) = self.choose(&found);
                let end = found
                    .get(chosen.len())
                    .filter(|_| more)
                    .map_or(end, |next| next.base_offset);
                Ok(Some(Plan {
                    file,
                    home,
                    frames: chosen,
                    end,
                }))
            };
            match look_up() {
                Ok(None) => {}
                Err(_) if partition.state().piece_at(file, home).is_none() => {}
                other => return other,
            }
        }
    }

    /// As many of the frames as what is left to read calls for, and whether there are more.
    fn choose(&self, frames: &[Frame]) -> (Vec<Frame>, bool) {
        let mut bytes = 0;
        let count = frames.iter().take(FRAMES_MAX).take_while(|frame| {
            let wanted = bytes <= self.bytes_left;
            bytes += frame.bytes as usize;
            wanted
        });
        let count = count.count();
        (frames[..count].to_vec(), count < frames.len())
    }

    fn take(&mut self, shared: &Shared, partition: &Partition, plan: &Plan) -> io::Result<()> {
        let file = plan.file;
        let source = Source::open(shared, file, plan.home)?;
        let mut rest = plan.frames.as_slice();
        while !rest.is_empty() && !self.full {
            let (run, behind) = rest.split_at(run_length(rest, source.run_bytes_max()));
            rest = behind;
            let buffer = read_run(&source, run)?;
            for frame in run {
                let from = (frame.at - run[0].at) as usize;
                let bytes = buffer.slice(from..from + frame.bytes as usize);
                match sound_payload(&bytes, partition, file, frame) {
                    Some((header, payload)) => {
                        self.visit(&header, &payload, shared);
                        if self.full {
                            return Ok(());
                        }
                        self.cursor = self.cursor.max(header.base_offset + u64::from(header.span));
                    }
                    None if partition.state().piece_at(file, plan.home).is_none() => {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    None => damaged(shared, partition, file, frame),
                }
            }
        }
        if !self.full {
            self.cursor = self.cursor.max(plan.end);
        }
        Ok(())
    }

    fn visit(&mut self, header: &Header, payload: &Bytes, shared: &Shared) {
        if self.producer.is_some_and(|producer| !batch::is_of(payload, producer)) {
            self.cursor = self.cursor.max(header.base_offset + u64::from(header.span));
            self.passed_bytes += payload.len();
            self.full = self.passed_bytes >= PASSED_BYTES_MAX;
            return;
        }
        let keys = shared.keys.as_ref();
        let read = batch::visit(payload, header.base_offset, header.arrival_ms, keys, &mut |record| {
            if record.offset < self.cursor {
                return true;
            }
            let bytes = record.key.len() + record.data.len();
            if self.records.len() >= self.records_max || (bytes > self.bytes_left && !self.records.is_empty()) {
                self.full = true;
                return false;
            }
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            self.cursor = record.offset + 1;
            self.records.push(record);
            true
        });
        match read {
            Ok(()) => {}
            // What was found before it is given; who comes for this one learns of it.
            Err(Unreadable::Sealed(why)) => {
                self.sealed = Some(why).filter(|_| self.records.is_empty());
                self.full = true;
                return;
            }
            Err(Unreadable::Form) => {
                shared.damaged_frames.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    partition = header.partition,
                    offset = header.base_offset,
                    "a batch has a form that this version cannot read"
                );
            }
        }
        self.full |= self.records.len() >= self.records_max || self.bytes_left == 0;
    }
}

/// How many of the frames, which lie in order in one file, are best read together.
pub(crate) fn run_length(frames: &[Frame], run_bytes_max: u32) -> usize {
    let mut count = 1;
    while let (Some(last), Some(next)) = (frames.get(count - 1), frames.get(count)) {
        let gap = next.at - (last.at + last.bytes);
        if gap > GAP_BYTES_MAX || next.at + next.bytes - frames[0].at > run_bytes_max {
            break;
        }
        count += 1;
    }
    count
}

pub(crate) fn read_run(source: &Source, run: &[Frame]) -> io::Result<Bytes> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(Bytes::new());
    };
    source.read(first.at, last.at + last.bytes)
}

/// The payload of the frame, if it is the one that the index means and sound.
pub(crate) fn sound_payload(bytes: &Bytes, partition: &Partition, file: u32, frame: &Frame) -> Option<(Header, Bytes)> {
    let header = Header::read(bytes, file, frame.at)?;
    let end = HEADER_BYTES.checked_add(header.payload_bytes as usize)?;
    let meant = header.partition == partition.id() && header.base_offset == frame.base_offset;
    if !meant || end > bytes.len() {
        return None;
    }
    let payload = bytes.slice(HEADER_BYTES..end);
    header.payload_is_sound(&payload).then_some((header, payload))
}

fn damaged(shared: &Shared, partition: &Partition, file: u32, frame: &Frame) {
    shared.damaged_frames.fetch_add(1, Ordering::Relaxed);
    tracing::error!(
        partition = partition.id(),
        file,
        at = frame.at,
        offset = frame.base_offset,
        "a frame is damaged; readers pass over it"
    );
}
