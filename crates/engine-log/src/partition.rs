//! What is known of a partition while the log is open.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base::Millis;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// A handle on a partition; clones share it.
#[derive(Clone, Debug)]
pub struct Partition(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    retention_ms: AtomicI64,
    state: Mutex<State>,
    /// Told when records become durable, and when the partition is removed or takes no more.
    changed: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// One past the last durable record.
    pub(crate) end: u64,
    /// The offset for the next record; ahead of `end` while a write is under way. Only the writer uses it.
    pub(crate) next: u64,
    /// The first offset that readers may see; never decreases.
    pub(crate) start: u64,
    pub(crate) last_arrival_ms: Millis,
    /// Where the records stand, oldest first, at most one piece per file.
    pub(crate) pieces: VecDeque<Piece>,
    /// Frames, since the log was opened; never decreases.
    pub(crate) appended_bytes: u64,
    pub(crate) removed: bool,
    /// Appends are refused.
    pub(crate) fenced: bool,
    /// Whether and when finished records go to the tier; nothing until somebody has said it.
    pub(crate) tiering: Option<Tiering>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiering {
    /// Partitions of a group share objects.
    pub(crate) group: u64,
    pub(crate) after_ms: Option<Millis>,
}

/// A partition's part of one file.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) file: u32,
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) first_arrival_ms: Millis,
    pub(crate) last_arrival_ms: Millis,
    /// What its frames take in the file.
    pub(crate) bytes: u64,
    pub(crate) index: Index,
    pub(crate) home: Home,
}

/// Where a piece's frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Home {
    /// In the log file.
    File,
    /// In the object of the file and this group.
    Tier(u64),
}

#[derive(Debug, Clone)]
pub(crate) enum Index {
    /// Every frame, while the file is being written and until its sidecar stands.
    Memory(Vec<Frame>),
    Sidecar(Entries),
}

/// `count` entries from byte `at` of a file's sidecar on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries {
    pub(crate) at: u64,
    pub(crate) count: u32,
    pub(crate) crc: u32,
    /// Whether they have been compared with their checksum.
    pub(crate) is_checked: bool,
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) base_offset: u64,
    pub(crate) arrival_ms: Millis,
    pub(crate) at: u32,
    /// With header and padding.
    pub(crate) bytes: u32,
}

/// Figures of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionStatus {
    pub partition: u64,
    /// The first offset that may still be read, before the time of retention is looked at.
    pub start_offset: u64,
    /// One past the last durable record.
    pub end_offset: u64,
    /// On disk and in the tier, frames included.
    pub bytes: u64,
    /// Those of them in the tier.
    pub tiered_bytes: u64,
    /// Of the oldest frame.
    pub oldest_arrival_ms: Option<Millis>,
}

impl Partition {
    pub(crate) fn new(id: u64) -> Self {
        Self(Arc::new(Inner {
            id,
            retention_ms: AtomicI64::new(Millis::MAX),
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// One past the last durable record: the offset that the next record gets or lies before.
    pub fn end_offset(&self) -> u64 {
        self.state().end
    }

    /// What was appended since the log was opened, as it stands in the files.
    pub fn appended_bytes(&self) -> u64 {
        self.state().appended_bytes
    }

    /// Records older than this are not read any more and their room is reclaimed. Without a call all are kept.
    /// Lowering it and raising it again makes records visible again as long as nobody fixed the start with
    /// [`Partition::trim`].
    pub fn set_retention(&self, retention: Duration) {
        self.0
            .retention_ms
            .store(retention.as_millis() as i64, Ordering::Relaxed);
    }

    pub(crate) fn retention_ms(&self) -> Millis {
        self.0.retention_ms.load(Ordering::Relaxed)
    }

    /// Nothing below `offset` is read any more. The caller keeps the offset and says it again after a restart.
    pub fn trim(&self, offset: u64) {
        let mut state = self.state();
        state.start = state.start.max(offset);
    }

    /// Has records go to the tier once they have been here for `after` and their file is finished, into objects that
    /// they share with the partitions of the same group. Nothing without a tier. `None` keeps here what is here.
    pub fn set_tiering(&self, group: u64, after: Option<Duration>) {
        self.state().tiering = Some(Tiering {
            group,
            after_ms: after.map(|after| after.as_millis() as Millis),
        });
    }

    pub fn status(&self) -> PartitionStatus {
        let state = self.state();
        let tiered = state.pieces.iter().filter(|piece| piece.home != Home::File);
        PartitionStatus {
            partition: self.0.id,
            start_offset: state.start,
            end_offset: state.end,
            bytes: state.pieces.iter().map(|piece| piece.bytes).sum(),
            tiered_bytes: tiered.map(|piece| piece.bytes).sum(),
            oldest_arrival_ms: state.pieces.front().map(|piece| piece.first_arrival_ms),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.0.changed
    }
}

impl State {
    /// Takes up a frame that has become durable (or was found at open). `span` is how many offsets it covers.
    pub(crate) fn add(&mut self, file: u32, frame: Frame, span: u32) {
        let end = frame.base_offset + u64::from(span);
        self.end = end;
        self.next = self.next.max(end);
        self.last_arrival_ms = self.last_arrival_ms.max(frame.arrival_ms);
        match self.pieces.back_mut() {
            Some(Piece {
                file: last,
                end: piece_end,
                last_arrival_ms,
                bytes,
                index: Index::Memory(frames),
                home: Home::File,
                ..
            }) if *last == file => {
                *piece_end = end;
                *last_arrival_ms = frame.arrival_ms;
                *bytes += u64::from(frame.bytes);
                frames.push(frame);
            }
            _ => self.pieces.push_back(Piece {
                file,
                first: frame.base_offset,
                end,
                first_arrival_ms: frame.arrival_ms,
                last_arrival_ms: frame.arrival_ms,
                bytes: u64::from(frame.bytes),
                index: Index::Memory(vec![frame]),
                home: Home::File,
            }),
        }
    }

    pub(crate) fn piece_of(&self, file: u32) -> Option<&Piece> {
        let at = self.pieces.partition_point(|piece| piece.file < file);
        self.pieces.get(at).filter(|piece| piece.file == file)
    }

    /// The piece of the file, as long as its frames are there.
    pub(crate) fn piece_at(&self, file: u32, home: Home) -> Option<&Piece> {
        self.piece_of(file).filter(|piece| piece.home == home)
    }

    pub(crate) fn piece_of_mut(&mut self, file: u32) -> Option<&mut Piece> {
        let at = self.pieces.partition_point(|piece| piece.file < file);
        self.pieces.get_mut(at).filter(|piece| piece.file == file)
    }
}
