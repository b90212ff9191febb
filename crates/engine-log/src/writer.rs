//! The write-ahead thread: takes what is queued, writes it in one go, syncs once, answers, begins again.
//!
//! There is no timer: while one group is being synced the next one gathers in the queue, so under load groups
//! are large and alone a record waits for nothing but its own sync.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use base::Millis;
use tokio::sync::{OwnedSemaphorePermit, mpsc as queue, oneshot};

use crate::LogError;
use crate::batch::Batch;
use crate::error::is_full;
use crate::files::{self, Kind};
use crate::frame::{self, HEADER_BYTES, Header, KIND_ENDS, KIND_RECORDS};
use crate::housekeeper::{Chore, Prepared, Written};
use crate::log::{Durability, Shared};
use crate::partition::{Frame, Partition};
use crate::recovery::END_BYTES;

/// At most so much is written before a sync.
const GROUP_BYTES_MAX: usize = 8 << 20;
const GROUP_APPENDS_MAX: usize = 1024;
/// Every write ends on a page boundary, so that the kernel need not read a page to change a part of it.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// The first file after opening is small, so that a log with little in it takes little room.
const FIRST_FILE_BYTES: u64 = 8 << 20;
/// The next file is prepared once one in so many bytes of the present one is used.
const PREPARE_SHARE: u64 = 4;

const ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];

/// Where a batch's records ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub partition: u64,
    /// The offset of the batch's first record; the others follow without gaps.
    pub base_offset: u64,
    pub records: u32,
    pub arrival_ms: Millis,
}

pub(crate) enum Job {
    Append(Append),
    Fence(Fence),
    /// Finish what is queued and end.
    Close(oneshot::Sender<()>),
}

pub(crate) struct Append {
    pub(crate) batches: Vec<Batch>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Appended>, LogError>>,
    /// This append's share of the queue's bytes.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Behind everything queued before it, the partitions take nothing more.
pub(crate) struct Fence {
    pub(crate) partitions: Vec<Partition>,
    pub(crate) answer: oneshot::Sender<()>,
}

impl Append {
    fn frame_bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.frame.len() as u64).sum()
    }

    fn refuse(self, error: LogError) {
        drop(self.room);
        // The caller may have gone; then nobody needs the answer.
        drop(self.answer.send(Err(error)));
    }
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: queue::Receiver<Job>,
    pub(crate) chores: mpsc::Sender<Chore>,
    pub(crate) prepared: mpsc::Receiver<io::Result<Prepared>>,
    pub(crate) wanted: Arc<AtomicBool>,
    pub(crate) next_file: u32,
    pub(crate) current: Option<Current>,
    /// A file that turned out too small for one group, kept for the next.
    pub(crate) kept: Option<Prepared>,
    pub(crate) requested: bool,
}

/// The file being written.
pub(crate) struct Current {
    number: u32,
    log: Arc<File>,
    capacity: u64,
    /// Where the next frame goes; everything before it is durable.
    end: u64,
    /// File header and partition ends, until the first group has taken them along.
    opening: Vec<u8>,
    touched: Vec<Partition>,
}

/// A frame of the group being written.
struct Placed {
    partition: Partition,
    frame: Frame,
    records: u32,
}

impl Writer {
    pub(crate) fn run(mut self) {
        self.request_file(FIRST_FILE_BYTES.min(self.shared.file_bytes));
        let mut closing: Option<oneshot::Sender<()>> = None;
        let mut carried = None;
        // After a request to close, the queue takes no more and ends once it is empty.
        while let Some(first) = carried.take().or_else(|| self.queue.blocking_recv()) {
            let mut group = Vec::new();
            let mut fence = None;
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Append(append) => {
                        let append_bytes = append.frame_bytes() as usize;
                        if !group.is_empty() && bytes + append_bytes > GROUP_BYTES_MAX {
                            carried = Some(Job::Append(append));
                            break;
                        }
                        bytes += append_bytes;
                        group.push(append);
                    }
                    Job::Fence(asked) => {
                        fence = Some(asked);
                        break;
                    }
                    Job::Close(closed) => {
                        self.queue.close();
                        closing = Some(closed);
                    }
                }
                next = if group.len() < GROUP_APPENDS_MAX {
                    self.queue.try_recv().ok()
                } else {
                    None
                };
            }
            self.commit(group);
            if let Some(Fence { partitions, answer }) = fence {
                for partition in &partitions {
                    partition.state().fenced = true;
                }
                // Whoever asked may have gone by now.
                let _ = answer.send(());
            }
        }
        self.finish();
        if let Some(closed) = closing {
            // Whoever asked may have gone by now.
            let _ = closed.send(());
        }
    }

    fn commit(&mut self, group: Vec<Append>) {
        let mut accepted = Vec::with_capacity(group.len());
        for append in group {
            if let Some(reason) = self.shared.poisoned.get() {
                append.refuse(LogError::Poisoned(reason.clone()));
            } else if append.batches.iter().any(|batch| batch.partition.state().removed) {
                append.refuse(LogError::NoPartition);
            } else if append.batches.iter().any(|batch| batch.partition.state().fenced) {
                append.refuse(LogError::Fenced);
            } else {
                accepted.push(append);
            }
        }
        let mut group = self.make_room(accepted);
        if group.is_empty() {
            return;
        }
        let placed = self.place(&mut group);
        let began = Instant::now();
        match self.write(&group) {
            Ok(end) => {
                self.shared.commit.record(began.elapsed());
                self.publish(group, placed, end);
            }
            Err(failure) => {
                for Placed { partition, .. } in &placed {
                    let mut state = partition.state();
                    state.next = state.end;
                }
                let error = self.give_up(failure);
                for append in group {
                    append.refuse(error.clone());
                }
            }
        }
    }

    /// Sees to it that the group fits in the current file, if need be by going to the next one. Refuses those
    /// appends for which there is no room on the disk, and returns the others.
    fn make_room(&mut self, mut group: Vec<Append>) -> Vec<Append> {
        let wanted = group.iter().map(Append::frame_bytes).sum::<u64>();
        if group.is_empty() || self.current.as_ref().is_some_and(|current| current.fits(wanted)) {
            return group;
        }
        let Err(error) = self.roll(wanted) else { return group };
        // What still fits goes into the present file; the rest is refused.
        let mut fits = 0;
        let kept = group.iter().take_while(|append| {
            fits += append.frame_bytes();
            self.current.as_ref().is_some_and(|current| current.fits(fits))
        });
        let kept = kept.count();
        for append in group.split_off(kept) {
            append.refuse(error.clone());
        }
        group
    }

    /// Goes to the next file, with room for `wanted` bytes of frames. On an error the present file stays current.
    fn roll(&mut self, wanted: u64) -> Result<(), LogError> {
        let opening_bytes = (FILE_OPENING_BYTES + self.shared.partitions.read().len() * END_BYTES) as u64;
        let room = (opening_bytes + wanted).next_multiple_of(PAGE_BYTES);
        let mut prepared = self.take_prepared(room)?;
        if prepared.capacity < room {
            let path = files::log_path(&self.shared.directory, prepared.number);
            if let Err(error) = self.shared.disk.allocate(&prepared.log, room) {
                self.kept = Some(prepared);
                return Err(LogError::io("reserving room in", &path, &error));
            }
            prepared.capacity = room;
        }
        self.seal_current();
        let (number, capacity) = (prepared.number, prepared.capacity);
        let log = prepared.open(&self.shared);
        let opening = self.opening(number);
        self.current = Some(Current {
            number,
            log,
            capacity,
            end: 0,
            opening,
            touched: Vec::new(),
        });
        Ok(())
    }

    fn take_prepared(&mut self, room: u64) -> Result<Prepared, LogError> {
        if let Some(kept) = self.kept.take() {
            return Ok(kept);
        }
        if self.requested
            && let Ok(prepared) = self.receive_prepared()
        {
            return Ok(prepared);
        }
        // An answer given in advance may be old: the disk may have got room since it was tried. Where there is
        // none for a whole file, a smaller one still takes what is to be written.
        let whole = room.max(self.shared.file_bytes);
        let mut refused = LogError::Full;
        for bytes in [whole, room.max(FIRST_FILE_BYTES).min(whole), room] {
            self.request_file(bytes);
            match self.receive_prepared() {
                Ok(prepared) => return Ok(prepared),
                Err(error) => refused = error,
            }
            if !matches!(refused, LogError::Full) {
                break;
            }
        }
        Err(refused)
    }

    /// Waits for the file that was asked for.
    fn receive_prepared(&mut self) -> Result<Prepared, LogError> {
        self.wanted.store(true, Ordering::Release);
        let received = self.prepared.recv();
        self.wanted.store(false, Ordering::Release);
        self.requested = false;
        match received {
            Ok(Ok(prepared)) => {
                self.next_file = prepared.number + 1;
                Ok(prepared)
            }
            Ok(Err(error)) => Err(LogError::io("making a file in", &self.shared.directory, &error)),
            Err(_) => Err(LogError::Closed),
        }
    }

    fn request_file(&mut self, bytes: u64) {
        if !self.requested && self.kept.is_none() {
            self.requested = self
                .chores
                .send(Chore::Prepare {
                    number: self.next_file,
                    bytes,
                    warm: true,
                })
                .is_ok();
        }
    }

    /// The first bytes of a file: its header and where every partition ends.
    fn opening(&self, number: u32) -> Vec<u8> {
        let mut bytes = files::file_header(number, self.shared.clock.now_ms()).to_vec();
        bytes.resize(FILE_OPENING_BYTES, 0);
        for partition in self.shared.partitions.read().values() {
            let state = partition.state();
            bytes.extend(partition.id().to_le_bytes());
            bytes.extend(state.end.to_le_bytes());
            bytes.extend(state.last_arrival_ms.to_le_bytes());
        }
        let ends = &mut bytes[files::FILE_HEADER_BYTES..];
        let header = Header {
            kind: KIND_ENDS,
            payload_bytes: (ends.len() - HEADER_BYTES) as u32,
            span: 0,
            partition: 0,
            base_offset: 0,
            arrival_ms: self.shared.clock.now_ms(),
            file: number,
            at: files::FILE_HEADER_BYTES as u32,
            durable: 0,
        };
        header.write(ends);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// Gives every batch its offsets and its place and completes the frames.
    fn place(&self, group: &mut [Append]) -> Vec<Placed> {
        let Some(current) = &self.current else {
            return Vec::new();
        };
        let now_ms = self.shared.clock.now_ms();
        let mut at = current.end + current.opening.len() as u64;
        let mut placed = Vec::with_capacity(group.len());
        for batch in group.iter_mut().flat_map(|append| &mut append.batches) {
            let records = batch.len() as u32;
            let (base_offset, arrival_ms) = {
                let mut state = batch.partition.state();
                let base_offset = state.next;
                state.next += u64::from(records);
                (base_offset, now_ms.max(state.last_arrival_ms))
            };
            batch.set_base_offset(base_offset);
            let payload_bytes = batch.payload_bytes();
            let header = Header {
                kind: KIND_RECORDS,
                payload_bytes: payload_bytes as u32,
                span: records,
                partition: batch.partition.id(),
                base_offset,
                arrival_ms,
                file: current.number,
                at: at as u32,
                durable: current.end as u32,
            };
            header.write(&mut batch.frame[..HEADER_BYTES + payload_bytes]);
            let bytes = frame::frame_bytes(payload_bytes) as u32;
            let frame = Frame {
                base_offset,
                arrival_ms,
                at: at as u32,
                bytes,
            };
            placed.push(Placed {
                partition: batch.partition.clone(),
                frame,
                records,
            });
            at += u64::from(bytes);
        }
        placed
    }

    /// Writes and syncs the group; returns where the file's content ends then.
    fn write(&self, group: &[Append]) -> Result<u64, Failure> {
        let Some(current) = &self.current else {
            return Err(Failure::Write(io::ErrorKind::NotFound.into()));
        };
        let frames = group
            .iter()
            .flat_map(|append| &append.batches)
            .map(|batch| batch.frame.as_slice());
        let mut slices = std::iter::once(current.opening.as_slice())
            .chain(frames)
            .map(IoSlice::new)
            .collect::<Vec<_>>();
        let end = current.end + slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let padding = end
            .next_multiple_of(PAGE_BYTES)
            .min(current.capacity)
            .saturating_sub(end);
        slices.push(IoSlice::new(&ZEROS[..padding as usize]));
        self.shared
            .disk
            .write_all_at(&current.log, &mut slices, current.end)
            .map_err(Failure::Write)?;
        if self.shared.durability == Durability::Fsync {
            let began = Instant::now();
            self.shared.disk.sync_data(&current.log).map_err(Failure::Sync)?;
            self.shared.fsync.record(began.elapsed());
        }
        Ok(end)
    }

    /// Lets readers see the group and answers its callers.
    fn publish(&mut self, group: Vec<Append>, placed: Vec<Placed>, end: u64) {
        let Some(current) = &mut self.current else { return };
        let bytes = end - current.end;
        if !current.opening.is_empty() {
            current.opening = Vec::new();
            self.shared.begun_file.store(current.number, Ordering::Release);
        }
        current.end = end;
        self.shared.begun_bytes.store(end, Ordering::Relaxed);
        let mut records = 0;
        for Placed {
            partition,
            frame,
            records: span,
        } in &placed
        {
            let mut state = partition.state();
            if state.removed {
                continue;
            }
            if state.pieces.back().is_none_or(|piece| piece.file != current.number) {
                current.touched.push(partition.clone());
            }
            state.add(current.number, *frame, *span);
            state.appended_bytes += u64::from(frame.bytes);
            drop(state);
            partition.changed().notify_waiters();
            records += u64::from(*span);
        }
        self.shared.appended_records.fetch_add(records, Ordering::Relaxed);
        self.shared.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut placed = placed.into_iter();
        for append in group {
            let appended = placed.by_ref().take(append.batches.len()).map(|placed| Appended {
                partition: placed.partition.id(),
                base_offset: placed.frame.base_offset,
                records: placed.records,
                arrival_ms: placed.frame.arrival_ms,
            });
            drop(append.answer.send(Ok(appended.collect())));
        }
        if current.end > current.capacity / PREPARE_SHARE {
            self.request_file(self.shared.file_bytes);
        }
    }

    /// After a group that could not be written: either the file goes back to its last durable state and writing
    /// goes on in another, or nothing is written any more.
    fn give_up(&mut self, failure: Failure) -> LogError {
        let error = match failure {
            Failure::Write(error) if is_full(&error) => {
                let Some(current) = &mut self.current else {
                    return LogError::Full;
                };
                // Frames of the failed group must not come back at the next start, so they are cut off for good.
                let cut = current
                    .log
                    .set_len(current.end)
                    .and_then(|()| self.shared.disk.sync_data(&current.log));
                match cut {
                    Ok(()) => {
                        current.capacity = current.end;
                        self.seal_current();
                        return LogError::Full;
                    }
                    Err(error) => error,
                }
            }
            Failure::Write(error) | Failure::Sync(error) => error,
        };
        let reason = self.shared.poisoned.get_or_init(|| error.to_string()).clone();
        tracing::error!(%error, "the log's disk failed; writes are refused from now on");
        LogError::Poisoned(reason)
    }

    fn seal_current(&mut self) {
        let Some(Current {
            number,
            log,
            capacity,
            end,
            touched,
            ..
        }) = self.current.take()
        else {
            return;
        };
        if end == 0 {
            // Never begun, so there is nothing to keep.
            self.shared.handles.forget(number, Kind::Log);
            drop(std::fs::remove_file(files::log_path(&self.shared.directory, number)));
            return;
        }
        // A send fails only when the housekeeper has died; then the file is scanned at the next start.
        drop(self.chores.send(Chore::Seal(Written {
            number,
            end,
            capacity,
            log,
            touched,
        })));
    }

    /// Leaves nothing for the next start to scan.
    fn finish(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // After a failed sync nobody knows what the file holds, so it is left to the next start.
        if self.shared.poisoned.get().is_none() {
            self.seal_current();
        }
        let pending = if self.requested {
            self.prepared.recv().ok().and_then(Result::ok)
        } else {
            None
        };
        for unused in self.kept.take().into_iter().chain(pending) {
            drop(std::fs::remove_file(files::log_path(
                &self.shared.directory,
                unused.number,
            )));
        }
    }
}

/// File header and the header of the frame of ends.
const FILE_OPENING_BYTES: usize = files::FILE_HEADER_BYTES + HEADER_BYTES;

enum Failure {
    Write(io::Error),
    Sync(io::Error),
}

impl Current {
    fn fits(&self, frames_bytes: u64) -> bool {
        self.end + self.opening.len() as u64 + frames_bytes <= self.capacity
    }
}
