//! Moves finished records to the tier and removes from it what nobody can read any more.
//!
//! The order makes a crash harmless at any point: first the object is there, then its index here says so, durably, and
//! readers turn to it; only then may the log file go. An object that no index names is written again under its name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::{Clock, Tasks};
use bytes::Bytes;
use store_objects::{Remote, RemoteError};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::LogError;
use crate::files::{self, Kind};
use crate::frame::HEADER_BYTES;
use crate::log::{Inner, Log, Shared};
use crate::partition::{Frame, Home, Index, Partition, Piece};
use crate::read::{self, sound_payload};
use crate::sidecar;
use crate::tier::{self, Source, Tiered};

/// How often records that have become old enough are looked for, and what failed is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Mover {
    log: Weak<Inner>,
    tier: Remote,
    sealed: Arc<Notify>,
    /// Files and groups of which nothing can be moved, since all of it is damaged.
    immovable: HashSet<(u32, u64)>,
}

/// What a group of partitions has in a file.
struct Due {
    file: u32,
    group: u64,
    partitions: Vec<Partition>,
}

/// An object to be.
struct Object {
    bytes: Bytes,
    /// As they are in the object.
    pieces: Vec<(u64, Piece)>,
}

impl Mover {
    pub(crate) fn new(log: Weak<Inner>, tier: Remote, sealed: Arc<Notify>) -> Self {
        Self {
            log,
            tier,
            sealed,
            immovable: HashSet::new(),
        }
    }

    pub(crate) async fn run(mut self, clock: Clock, tasks: Tasks) {
        loop {
            // First of all too: until the streams are there nobody has said what is to move.
            tokio::select! {
                () = tasks.stopping().cancelled() => return,
                () = self.sealed.notified() => {}
                () = clock.sleep(LOOK_EVERY) => {}
            }
            let Some(log) = self.log.upgrade().map(Log) else { return };
            let outcome = tokio::select! {
                () = tasks.stopping().cancelled() => return,
                outcome = self.pass(&log) => outcome,
            };
            let failure = outcome.err().map(|error| error.to_string());
            if let Some(failure) = &failure {
                tracing::warn!(failure, "records could not be moved to the tier; it is tried again");
            }
            *log.shared().tier_failure.lock() = failure;
        }
    }

    /// Does what can be done, and fails with the first of what could not.
    async fn pass(&mut self, log: &Log) -> Result<(), LogError> {
        self.look_at_the_tier(log).await?;
        let immovable = self.immovable.clone();
        let all = log.blocking(move |shared| Ok(due(shared, &immovable))).await?;
        let mut outcome = Ok(());
        let mut moved = false;
        for due in all {
            match self.take(log, due).await {
                Ok(is_moved) => moved |= is_moved,
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        if moved {
            log.reclaim();
        }
        outcome.and(self.remove_unread(log).await)
    }

    /// Refuses a tier that has nothing of what was moved there, such as a directory on which its disk is not mounted.
    async fn look_at_the_tier(&self, log: &Log) -> Result<(), LogError> {
        let samples = {
            let tiered = log.shared().tiered.lock();
            [tiered.keys().next().copied(), tiered.keys().next_back().copied()]
        };
        let mut missing = None;
        for (file, group) in samples.into_iter().flatten() {
            let head = 0..files::FILE_HEADER_BYTES as u64;
            match self.tier.get_range(&tier::object_name(file, group), head).await {
                Ok(_) => return Ok(()),
                Err(RemoteError::NotFound { name, .. }) => missing = Some(name),
                Err(error) => return Err(LogError::Tier(error.to_string())),
            }
        }
        let why = |name| {
            format!(
                "{} has nothing of what was moved there, not even {name}",
                self.tier.url()
            )
        };
        missing.map_or(Ok(()), |name| Err(LogError::Tier(why(name))))
    }

    /// Tells whether anything was moved.
    async fn take(&mut self, log: &Log, due: Due) -> Result<bool, LogError> {
        let (file, group) = (due.file, due.group);
        let partitions = due.partitions.clone();
        let is_there = move || {
            let is_here = |partition: &Partition| partition.state().piece_at(file, Home::File).is_some();
            partitions.iter().any(is_here)
        };
        let object = match log.blocking(move |shared| copy_out(shared, &due)).await {
            // The file was reclaimed since it was looked at.
            _ if !is_there() => return Ok(false),
            Ok(Some(object)) => object,
            Ok(None) => {
                self.immovable.insert((file, group));
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let (tier, name) = (self.tier.clone(), tier::object_name(file, group));
        let bytes = object.bytes;
        // On a thread that may wait for a disk.
        log.blocking(move |_| {
            Handle::current()
                .block_on(tier.put(&name, bytes, None))
                .map_err(tier::failed)
        })
        .await?;
        log.blocking(move |shared| turn_to(shared, file, group, &object.pieces))
            .await?;
        tracing::debug!(file, group, "records moved to the tier");
        Ok(true)
    }

    async fn remove_unread(&self, log: &Log) -> Result<(), LogError> {
        let shared = log.shared();
        let now_ms = shared.clock.now_ms();
        let all = shared.tiered.lock().clone();
        for ((file, group), object) in all {
            let home = Home::Tier(group);
            let is_read = |id: &u64| shared.is_readable(*id, file, home, now_ms);
            if object.partitions.iter().any(is_read) {
                continue;
            }
            shared.forget_pieces(&object.partitions, file, home);
            let removed = self.tier.delete(&tier::object_name(file, group)).await;
            removed.map_err(|error| LogError::Tier(error.to_string()))?;
            log.blocking(move |shared| {
                shared.handles.forget(file, Kind::Tier(group));
                match std::fs::remove_file(files::tier_index_path(&shared.directory, file, group)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                shared.tiered.lock().remove(&(file, group));
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

/// What is old enough. The partitions of a group go together, when all of them that are in a file are, so that one
/// object takes them.
fn due(shared: &Shared, immovable: &HashSet<(u32, u64)>) -> Vec<Due> {
    let now_ms = shared.clock.now_ms();
    let is_asked_for = |partition: &Partition| partition.state().tiering.is_some_and(|t| t.after_ms.is_some());
    if !shared.partitions.read().values().any(is_asked_for) {
        return Vec::new();
    }
    let files = {
        let files = shared.files.lock();
        let files = files.iter().map(|(file, info)| (*file, info.partitions.clone()));
        files.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for (file, partitions) in files {
        let mut groups = BTreeMap::<u64, Vec<Partition>>::new();
        let mut young = BTreeSet::new();
        for id in partitions {
            let Some(partition) = shared.partition(id) else {
                continue;
            };
            let is_readable = shared.is_readable(id, file, Home::File, now_ms);
            let state = partition.state();
            let (Some(tiering), Some(piece)) = (state.tiering, state.piece_at(file, Home::File)) else {
                continue;
            };
            // Where only a part of a group is told to move yet, the rest will be in a moment.
            let is_old = |after_ms| piece.last_arrival_ms <= now_ms.saturating_sub(after_ms);
            if !tiering.after_ms.is_some_and(is_old) {
                young.insert(tiering.group);
            } else if is_readable {
                groups.entry(tiering.group).or_default().push(partition.clone());
            }
        }
        let tiered = shared.tiered.lock();
        for (group, partitions) in groups {
            let key = (file, group);
            if !young.contains(&group) && !tiered.contains_key(&key) && !immovable.contains(&key) {
                found.push(Due {
                    file,
                    group,
                    partitions,
                });
            }
        }
    }
    found
}

/// Puts the frames into an object. A partition of which a frame is damaged stays where it is. `None` where all do.
fn copy_out(shared: &Shared, due: &Due) -> io::Result<Option<Object>> {
    let file = due.file;
    let source = Source::open(shared, file, Home::File)?;
    let mut object = files::file_header(file, shared.clock.now_ms()).to_vec();
    let mut pieces = Vec::new();
    for partition in &due.partitions {
        let Some((piece, frames)) = read::frames(shared, partition, file, Home::File)? else {
            continue;
        };
        let began = object.len();
        match append_frames(&source, partition, file, &frames, &mut object)? {
            Some(copied) => pieces.push((
                partition.id(),
                Piece {
                    index: Index::Memory(copied),
                    home: Home::Tier(due.group),
                    ..piece
                },
            )),
            None => {
                object.truncate(began);
                tracing::error!(
                    file,
                    partition = partition.id(),
                    "records are damaged, so they are not moved to the tier"
                );
            }
        }
    }
    Ok((!pieces.is_empty()).then(|| Object {
        bytes: object.into(),
        pieces,
    }))
}

/// Where the frames are in the object; `None` where one is damaged.
fn append_frames(
    source: &Source,
    partition: &Partition,
    file: u32,
    frames: &[Frame],
    object: &mut Vec<u8>,
) -> io::Result<Option<Vec<Frame>>> {
    let mut copied = Vec::with_capacity(frames.len());
    let mut rest = frames;
    while let Some(first) = rest.first() {
        let (run, behind) = rest.split_at(read::run_length(rest, source.run_bytes_max()));
        rest = behind;
        let buffer = read::read_run(source, run)?;
        for frame in run {
            let from = (frame.at - first.at) as usize;
            let bytes = buffer.slice(from..from + frame.bytes as usize);
            let Some((mut header, payload)) = sound_payload(&bytes, partition, file, frame) else {
                return Ok(None);
            };
            let at = object.len();
            object.extend_from_slice(&bytes);
            (header.at, header.durable) = (at as u32, at as u32);
            header.write(&mut object[at..at + HEADER_BYTES + payload.len()]);
            copied.push(Frame {
                at: at as u32,
                ..*frame
            });
        }
    }
    Ok(Some(copied))
}

/// The object is there: its index becomes durable, and readers turn to it.
fn turn_to(shared: &Shared, file: u32, group: u64, pieces: &[(u64, Piece)]) -> io::Result<()> {
    let path = files::tier_index_path(&shared.directory, file, group);
    // An older one of that name may be open.
    shared.handles.forget(file, Kind::Tier(group));
    let moved = sidecar::write(&shared.disk, &path, file, pieces, &[])?;
    if let Err(error) = shared.disk.sync_directory(&shared.directory) {
        // The object may be another by the time that a start would find this.
        drop(std::fs::remove_file(&path));
        return Err(error);
    }
    shared.tiered.lock().insert(
        (file, group),
        Tiered {
            partitions: moved.iter().map(|(id, _)| *id).collect(),
            bytes: moved.iter().map(|(_, piece)| piece.bytes).sum(),
        },
    );
    let mut ids = Vec::with_capacity(moved.len());
    for (id, piece) in moved {
        ids.push(id);
        let Some(partition) = shared.partition(id) else {
            continue;
        };
        if let Some(here) = partition.state().piece_of_mut(file) {
            *here = piece;
        }
    }
    // Only now that nobody turns to it any more may the file go.
    if let Some(info) = shared.files.lock().get_mut(&file) {
        info.partitions.retain(|id| !ids.contains(id));
    }
    Ok(())
}
