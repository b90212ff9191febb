//! The log: opening, appending, waiting, figures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc as channel};
use std::thread::JoinHandle;

use base::{Clock, Millis, Tasks};
use parking_lot::{Mutex, RwLock};
use store_objects::Remote;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use crate::LogError;
use crate::batch::Batch;
use crate::disk::Disk;
use crate::encryption::KeyStore;
use crate::figures::Latencies;
use crate::files::Handles;
use crate::housekeeper::{Chore, Housekeeper};
use crate::mover::Mover;
use crate::partition::{Home, Partition};
use crate::recovery::{self, FileInfo};
use crate::status::{Quarantined, Status};
use crate::tier::Tiered;
use crate::writer::{Append, Appended, Fence, Job, PAGE_BYTES, Writer};

/// How many appends may wait for the writer, and how many bytes they may hold together.
const QUEUE_APPENDS_MAX: usize = 1024;
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// How many reads may be under way. Each has a thread of a pool that others use too, and one that waits for a tier
/// that does not answer has it for long.
const READS_MAX: usize = 128;
/// The most that one append may carry.
pub const APPEND_BYTES_MAX: usize = 32 << 20;
const FILE_BYTES: u64 = 64 << 20;

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk: it survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has it: it survives the end of the process, not of the machine.
    Os,
}

#[derive(Debug, Clone)]
pub struct LogOptions {
    pub directory: PathBuf,
    pub durability: Durability,
    /// The size of a log file, the unit in which room is given back.
    pub file_bytes: u64,
    /// With which keys values are encrypted, where they are to be.
    pub keys: Option<KeyStore>,
    /// Where finished records go that are to leave this disk.
    pub tier: Option<Remote>,
    pub clock: Clock,
    pub tasks: Tasks,
}

impl LogOptions {
    pub fn new(directory: impl Into<PathBuf>, clock: Clock, tasks: Tasks) -> Self {
        Self {
            directory: directory.into(),
            durability: Durability::default(),
            file_bytes: FILE_BYTES,
            keys: None,
            tier: None,
            clock,
            tasks,
        }
    }
}

/// A handle on the log; clones share it. The last one to go finishes what is queued and closes the files.
#[derive(Clone)]
pub struct Log(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    shared: Arc<Shared>,
    jobs: Option<mpsc::Sender<Job>>,
    queue_bytes: Arc<Semaphore>,
    pub(crate) reads: Semaphore,
    chores: Option<channel::Sender<Chore>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads and the readers have in common.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) keys: Option<KeyStore>,
    pub(crate) tier: Option<Remote>,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) durability: Durability,
    pub(crate) file_bytes: u64,
    pub(crate) handles: Handles,
    pub(crate) partitions: RwLock<HashMap<u64, Partition>>,
    /// Finished files.
    pub(crate) files: Mutex<BTreeMap<u32, FileInfo>>,
    /// Told when there is one more.
    pub(crate) sealed: Arc<Notify>,
    /// Objects in the tier, by file and group.
    pub(crate) tiered: Mutex<BTreeMap<(u32, u64), Tiered>>,
    /// Why the last attempt to move records there failed, until one succeeds.
    pub(crate) tier_failure: Mutex<Option<String>>,
    /// The newest file with durable content, and how much.
    pub(crate) begun_file: AtomicU32,
    pub(crate) begun_bytes: AtomicU64,
    pub(crate) stopping: AtomicBool,
    pub(crate) poisoned: OnceLock<String>,
    pub(crate) quarantined: Mutex<Vec<Quarantined>>,
    pub(crate) damaged_frames: AtomicU64,
    pub(crate) appended_records: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
    pub(crate) commit: Latencies,
    pub(crate) fsync: Latencies,
    /// Held so that no other process opens the directory.
    _lock: DirectoryLock,
}

struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file alone does not free it while a process just forked still has a copy of the handle.
        drop(self.0.unlock());
    }
}

impl Shared {
    pub(crate) fn partition(&self, id: u64) -> Option<Partition> {
        self.partitions.read().get(&id).cloned()
    }

    /// Whether anybody may still read what the partition has there of a file.
    pub(crate) fn is_readable(&self, partition: u64, file: u32, home: Home, now_ms: Millis) -> bool {
        let Some(partition) = self.partition(partition) else {
            return false;
        };
        let oldest_ms = now_ms.saturating_sub(partition.retention_ms());
        let state = partition.state();
        state
            .piece_at(file, home)
            .is_some_and(|piece| piece.last_arrival_ms >= oldest_ms && piece.end > state.start)
    }

    /// Drops the partitions' pieces of a file that nobody can read any more.
    pub(crate) fn forget_pieces(&self, partitions: &[u64], file: u32, home: Home) {
        for partition in partitions.iter().filter_map(|id| self.partition(*id)) {
            let mut state = partition.state();
            if let Some(end) = state.piece_at(file, home).map(|piece| piece.end) {
                state.start = state.start.max(end);
                state.pieces.retain(|piece| piece.file != file);
            }
        }
    }
}

impl Log {
    /// Opens the log in a directory, or makes one there. What a crash left half-written is cut off.
    pub fn open(options: LogOptions) -> Result<Self, LogError> {
        Self::open_on(Disk::default(), options)
    }

    pub(crate) fn open_on(disk: Disk, options: LogOptions) -> Result<Self, LogError> {
        let LogOptions {
            directory,
            durability,
            file_bytes,
            keys,
            tier,
            clock,
            tasks,
        } = options;
        let failed = |error: std::io::Error| LogError::io("opening", &directory, &error);
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let lock = File::create(directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LogError::InUse(directory)),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let recovered = recovery::recover(&disk, &directory, tier.as_ref())?;
        let shared = Arc::new(Shared {
            disk,
            keys,
            tier,
            clock,
            tasks,
            durability,
            file_bytes: file_bytes.clamp(PAGE_BYTES, 1 << 31).next_multiple_of(PAGE_BYTES),
            handles: Handles::default(),
            partitions: RwLock::new(recovered.partitions),
            files: Mutex::new(recovered.files),
            sealed: Arc::default(),
            tiered: Mutex::new(recovered.tiered),
            tier_failure: Mutex::new(None),
            begun_file: AtomicU32::new(0),
            begun_bytes: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            poisoned: OnceLock::new(),
            quarantined: Mutex::new(recovered.quarantined),
            damaged_frames: AtomicU64::new(0),
            appended_records: AtomicU64::new(0),
            appended_bytes: AtomicU64::new(0),
            commit: Latencies::default(),
            fsync: Latencies::default(),
            _lock: DirectoryLock(lock),
            directory: directory.clone(),
        });
        let (jobs, queue) = mpsc::channel(QUEUE_APPENDS_MAX);
        let (chores, chore_queue) = channel::channel();
        let (made, prepared) = channel::channel();
        let wanted = Arc::new(AtomicBool::new(false));
        let housekeeper = Housekeeper::new(shared.clone(), chore_queue, made, wanted.clone());
        let writer = Writer {
            shared: shared.clone(),
            queue,
            chores: chores.clone(),
            prepared,
            wanted,
            next_file: recovered.next_file,
            current: None,
            kept: None,
            requested: false,
        };
        let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .map_err(failed)
        };
        let threads = vec![
            start("log-housekeep", Box::new(move || housekeeper.run()))?,
            start("log-write", Box::new(move || writer.run()))?,
        ];
        let log = Self(Arc::new(Inner {
            shared: shared.clone(),
            jobs: Some(jobs),
            queue_bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            reads: Semaphore::new(READS_MAX),
            chores: Some(chores),
            threads: Mutex::new(threads),
        }));
        if let Some(tier) = shared.tier.clone() {
            let mover = Mover::new(Arc::downgrade(&log.0), tier, shared.sealed.clone());
            shared
                .tasks
                .spawn(mover.run(shared.clock.clone(), shared.tasks.clone()));
        }
        Ok(log)
    }

    /// The partition with this id, made where there is none yet. Ids are the caller's and must never be used
    /// again after [`Log::remove_partition`].
    pub fn partition(&self, id: u64) -> Partition {
        self.shared()
            .partitions
            .write()
            .entry(id)
            .or_insert_with(|| Partition::new(id))
            .clone()
    }

    /// Removes a partition with its records. Appends to it are refused; waiting readers wake up.
    pub fn remove_partition(&self, id: u64) {
        let removed = self.shared().partitions.write().remove(&id);
        if let Some(partition) = removed {
            {
                let mut state = partition.state();
                state.removed = true;
                state.start = state.end;
                state.pieces.clear();
            }
            partition.changed().notify_waiters();
        }
    }

    /// Removes every partition found at open that the caller does not know, as a crash between forgetting a
    /// stream and removing its partitions leaves them.
    pub fn keep_only(&self, known: &HashSet<u64>) {
        let unknown = self
            .shared()
            .partitions
            .read()
            .keys()
            .filter(|id| !known.contains(id))
            .copied()
            .collect::<Vec<_>>();
        for id in unknown {
            self.remove_partition(id);
        }
        self.reclaim();
    }

    /// Appends batches, in one write, and returns when they are durable, in the batches' order. Empty batches are
    /// left out. Not all or nothing over partitions: after a crash before the answer any part may be there.
    pub async fn append(&self, mut batches: Vec<Batch>) -> Result<Vec<Appended>, LogError> {
        batches.retain(|batch| !batch.is_empty());
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        for batch in &mut batches {
            batch.seal();
        }
        let bytes = batches.iter().map(Batch::frame_bytes).sum::<usize>();
        if bytes > APPEND_BYTES_MAX {
            return Err(LogError::TooLarge {
                bytes,
                bytes_max: APPEND_BYTES_MAX,
            });
        }
        let room = self
            .0
            .queue_bytes
            .clone()
            .acquire_many_owned(bytes as u32)
            .await
            .map_err(|_| LogError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let jobs = self.0.jobs.as_ref().ok_or(LogError::Closed)?;
        jobs.send(Job::Append(Append { batches, answer, room }))
            .await
            .map_err(|_| LogError::Closed)?;
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    /// Returns once the partition has a durable record at `offset` or behind it, or fails with
    /// [`LogError::Fenced`] where it will get none.
    pub async fn wait_for(&self, partition: &Partition, offset: u64) -> Result<(), LogError> {
        loop {
            let changed = partition.changed().notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            {
                let state = partition.state();
                if state.removed {
                    return Err(LogError::NoPartition);
                }
                if state.end > offset {
                    return Ok(());
                }
                if state.fenced {
                    return Err(LogError::Fenced);
                }
            }
            changed.await;
        }
    }

    /// Has partitions take nothing more. When this returns, all appends before it are answered, so that the
    /// partitions' ends are final unless [`Log::unfence`] is called. Not kept over a restart.
    pub async fn fence(&self, partitions: &[Partition]) -> Result<(), LogError> {
        let (answer, answered) = oneshot::channel();
        let partitions = partitions.to_vec();
        let jobs = self.0.jobs.as_ref().ok_or(LogError::Closed)?;
        jobs.send(Job::Fence(Fence { partitions, answer }))
            .await
            .map_err(|_| LogError::Closed)?;
        answered.await.map_err(|_| LogError::Closed)
    }

    /// Wakes whoever waits for records of the partitions, to look at what has become of them.
    pub fn wake(&self, partitions: &[Partition]) {
        for partition in partitions {
            partition.changed().notify_waiters();
        }
    }

    /// Lets fenced partitions take records again.
    pub fn unfence(&self, partitions: &[Partition]) {
        for partition in partitions {
            partition.state().fenced = false;
        }
    }

    /// Has files that nobody can read any more removed, in the background.
    pub fn reclaim(&self) {
        if let Some(chores) = &self.0.chores {
            // A send fails only when the thread has died, and then nothing can be reclaimed.
            drop(chores.send(Chore::Reclaim));
        }
    }

    pub fn status(&self) -> Status {
        let shared = self.shared();
        let mut partitions = shared
            .partitions
            .read()
            .values()
            .map(Partition::status)
            .collect::<Vec<_>>();
        partitions.sort_unstable_by_key(|status| status.partition);
        let (files, finished_bytes) = {
            let files = shared.files.lock();
            (files.len(), files.values().map(|file| file.bytes).sum::<u64>())
        };
        let (tiered_objects, tiered_bytes) = {
            let tiered = shared.tiered.lock();
            (tiered.len(), tiered.values().map(|object| object.bytes).sum())
        };
        let asks = |partition: &Partition| partition.state().tiering.is_some_and(|t| t.after_ms.is_some());
        let tier_failure = match shared.tier {
            Some(_) => shared.tier_failure.lock().clone(),
            None if tiered_objects > 0 => Some("no tier is set, and records have been moved to one".to_owned()),
            None if shared.partitions.read().values().any(asks) => {
                Some("no tier is set, and records are to be moved to one".to_owned())
            }
            None => None,
        };
        Status {
            partitions,
            files: files + usize::from(shared.begun_bytes.load(Ordering::Relaxed) > 0),
            bytes: finished_bytes + shared.begun_bytes.load(Ordering::Relaxed),
            appended_records: shared.appended_records.load(Ordering::Relaxed),
            appended_bytes: shared.appended_bytes.load(Ordering::Relaxed),
            commit: shared.commit.figures(),
            fsync: shared.fsync.figures(),
            quarantined: shared.quarantined.lock().clone(),
            damaged_frames: shared.damaged_frames.load(Ordering::Relaxed),
            poisoned: shared.poisoned.get().cloned(),
            tiered_objects,
            tiered_bytes,
            tier_failure,
        }
    }

    /// Finishes what is queued and the file being written. Later appends are refused.
    pub async fn close(&self) {
        let (closed, closing) = oneshot::channel();
        let Some(jobs) = &self.0.jobs else { return };
        if jobs.send(Job::Close(closed)).await.is_ok() {
            // An error means that the writer ended before it came to answer, so it is closed either way.
            drop(closing.await);
        }
    }

    pub fn keys(&self) -> Option<&KeyStore> {
        self.shared().keys.as_ref()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.take();
        self.chores.take();
        // The writer ends when its queue does and lets go of the housekeeper, which then ends too.
        for thread in self.threads.lock().drain(..).rev() {
            drop(thread.join());
        }
    }
}
