//! The thread beside the writer: it prepares the next file, finishes the last one and gives room back.
//!
//! On ext4 an fdatasync behind a write into blocks that were never written takes several times as long as one
//! behind a write into blocks that were, since the change of their state is journalled (measured: 0.3 ms against
//! 8 ms for 512 KiB). So the next file is filled with zeros while the present one is in use, as far as time
//! allows, and files that fall out of retention are used again.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use crate::files::{self, Kind};
use crate::log::Shared;
use crate::partition::{Home, Partition};
use crate::recovery::{self, FileInfo};

/// Zeros are written in pieces of this size, each a chance to stop.
const ZEROS_BYTES: usize = 2 << 20;
/// What O_DIRECT asks of addresses and sizes on any usual disk.
const DIRECT_ALIGN: usize = 4096;
/// A finished file is cut to its content when more than this share of it, one in so many bytes, is unused.
const SLACK_SHARE: u64 = 8;

pub(crate) enum Chore {
    /// Make file `number` with `bytes` of room; with `warm`, fill it with zeros until it is wanted.
    Prepare { number: u32, bytes: u64, warm: bool },
    /// The writer is done with the file.
    Seal(Written),
    /// Give back the room of files that nobody can read any more.
    Reclaim,
}

/// A file to which nothing is written any more.
pub(crate) struct Written {
    pub(crate) number: u32,
    pub(crate) end: u64,
    pub(crate) capacity: u64,
    pub(crate) log: Arc<File>,
    pub(crate) touched: Vec<Partition>,
}

pub(crate) struct Prepared {
    pub(crate) number: u32,
    pub(crate) capacity: u64,
    pub(crate) log: File,
}

pub(crate) struct Housekeeper {
    shared: Arc<Shared>,
    chores: Receiver<Chore>,
    prepared: Sender<io::Result<Prepared>>,
    /// Set while the writer waits for the next file.
    wanted: Arc<AtomicBool>,
    /// Files without a sidecar yet: the one at hand, and those for which there was no room.
    unsealed: Vec<Written>,
    zeros: Vec<u8>,
}

impl Housekeeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        chores: Receiver<Chore>,
        prepared: Sender<io::Result<Prepared>>,
        wanted: Arc<AtomicBool>,
    ) -> Self {
        Self {
            shared,
            chores,
            prepared,
            wanted,
            unsealed: Vec::new(),
            zeros: Vec::new(),
        }
    }

    /// Works until the writer and all handles are gone.
    pub(crate) fn run(mut self) {
        while let Ok(chore) = self.chores.recv() {
            match chore {
                Chore::Prepare { number, bytes, warm } => {
                    let prepared = self.prepare(number, bytes, warm);
                    // A send fails only when the writer has ended, and then nobody needs the file.
                    drop(self.prepared.send(prepared));
                    self.zeros = Vec::new();
                }
                Chore::Seal(written) => {
                    self.unsealed.push(written);
                    self.seal_and_reclaim();
                }
                Chore::Reclaim => self.seal_and_reclaim(),
            }
        }
    }

    fn prepare(&mut self, number: u32, bytes: u64, warm: bool) -> io::Result<Prepared> {
        let path = files::log_path(&self.shared.directory, number);
        let spare = self.spare_path();
        let recycled = bytes == self.shared.file_bytes && std::fs::rename(&spare, &path).is_ok();
        let made = self.make(&path, bytes, warm && !recycled);
        if made.is_err() && !recycled {
            // Room that was half reserved would be missing elsewhere.
            drop(std::fs::remove_file(&path));
        }
        made.map(|log| Prepared {
            number,
            capacity: bytes,
            log,
        })
    }

    fn make(&mut self, path: &Path, bytes: u64, warm: bool) -> io::Result<File> {
        let disk = &self.shared.disk;
        let log = disk.create(path)?;
        disk.allocate(&log, bytes)?;
        log.sync_all()?;
        disk.sync_directory(&self.shared.directory)?;
        if warm && let Err(error) = self.fill(path, bytes) {
            // The file is complete without it, only slower.
            tracing::debug!(%error, path = %path.display(), "a log file was not filled in advance");
        }
        Ok(log)
    }

    fn fill(&mut self, path: &Path, bytes: u64) -> io::Result<()> {
        let direct = self.shared.disk.open_direct(path)?;
        self.zeros.resize(ZEROS_BYTES + DIRECT_ALIGN, 0);
        let from = self.zeros.as_ptr().align_offset(DIRECT_ALIGN);
        let mut at = 0;
        while at < bytes && !self.wanted.load(Ordering::Acquire) && !self.shared.stopping.load(Ordering::Acquire) {
            let count = (ZEROS_BYTES as u64).min(bytes - at) as usize;
            if !count.is_multiple_of(DIRECT_ALIGN) {
                break;
            }
            self.shared
                .disk
                .write_all_at(&direct, &mut [IoSlice::new(&self.zeros[from..from + count])], at)?;
            at += count as u64;
        }
        // The extents' new state is journalled here rather than at the writer's first fsync.
        direct.sync_data()
    }

    fn seal_and_reclaim(&mut self) {
        let mut unsealed = std::mem::take(&mut self.unsealed);
        unsealed.retain(|written| match self.seal(written) {
            Ok(()) => false,
            Err(error) => {
                // Until it can be, the index stays in memory; the next start scans the file.
                tracing::error!(%error, file = written.number, "a log file could not be finished");
                true
            }
        });
        self.unsealed = unsealed;
        self.reclaim();
    }

    fn seal(&self, written: &Written) -> io::Result<()> {
        let Written {
            number,
            end,
            capacity,
            log,
            touched,
        } = written;
        let (number, end) = (*number, *end);
        if (capacity - end) > capacity / SLACK_SHARE {
            log.set_len(end)?;
        }
        let shared = &self.shared;
        recovery::seal(&shared.disk, &shared.directory, number, touched, &[])?;
        let partitions = touched.iter().map(Partition::id).collect();
        shared.files.lock().insert(
            number,
            FileInfo {
                partitions,
                bytes: end,
                has_ends: true,
            },
        );
        shared.sealed.notify_one();
        Ok(())
    }

    fn reclaim(&self) {
        let shared = &self.shared;
        let now_ms = shared.clock.now_ms();
        let begun = shared.begun_file.load(Ordering::Acquire);
        let candidates = {
            let files = shared.files.lock();
            // The newest file that says it is kept, since it alone knows where partitions end whose records are
            // all gone.
            let newest = files.iter().rev().find(|(_, info)| info.has_ends);
            let last = begun.max(newest.map_or(0, |(number, _)| *number));
            files
                .range(..last)
                .map(|(number, info)| (*number, info.partitions.clone()))
                .collect::<Vec<_>>()
        };
        for (number, partitions) in candidates {
            if partitions
                .iter()
                .any(|id| shared.is_readable(*id, number, Home::File, now_ms))
            {
                continue;
            }
            shared.forget_pieces(&partitions, number, Home::File);
            shared.files.lock().remove(&number);
            if let Err(error) = self.remove(number) {
                tracing::error!(%error, file = number, "a log file could not be removed");
            }
        }
    }

    /// Removes a file, or keeps it for reuse where it has the full size and no other is kept.
    fn remove(&self, number: u32) -> io::Result<()> {
        let shared = &self.shared;
        shared.handles.forget(number, Kind::Log);
        shared.handles.forget(number, Kind::Sidecar);
        match std::fs::remove_file(files::sidecar_path(&shared.directory, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let path = files::log_path(&shared.directory, number);
        let spare = self.spare_path();
        if path.metadata()?.len() == shared.file_bytes && !spare.exists() {
            std::fs::rename(path, spare)
        } else {
            std::fs::remove_file(path)
        }
    }

    fn spare_path(&self) -> PathBuf {
        self.shared.directory.join("next.spare")
    }
}

impl Prepared {
    pub(crate) fn open(self, shared: &Shared) -> Arc<File> {
        let log = Arc::new(self.log);
        shared.handles.put(self.number, Kind::Log, log.clone());
        log
    }
}
