//! Settling: once a file's rename or removal is durable, the record that recovery would need is dropped.
//!
//! Nobody waits for it, so many objects share the syncing of their directories and one transaction.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Clock, Millis, Tasks};
use store_meta::{MetaError, Read};
use tokio::sync::mpsc;

use crate::ObjectError;
use crate::record::{OBJECTS, ObjectName, UNSETTLED};
use crate::store::{Inner, sync_dir};

/// What may wait in the queue; the rest is looked for in the records once the queue is empty.
const QUEUE_MAX: usize = 16 * 1024;
/// How many objects one transaction settles.
const BATCH_MAX: usize = 1024;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// When what could not be settled is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Settler {
    queue: mpsc::Sender<Item>,
    /// Something is unsettled that the queue does not hold.
    missed: AtomicBool,
}

/// An object and the write of it that is to be settled.
type Item = (ObjectName, String);

impl Settler {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Item>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let missed = AtomicBool::new(false);
        (Self { queue, missed }, receiver)
    }

    pub(crate) fn push(&self, name: ObjectName, id: String) {
        if self.queue.try_send((name, id)).is_err() {
            self.miss();
        }
    }

    pub(crate) fn miss(&self) {
        self.missed.store(true, Ordering::Relaxed);
    }
}

pub(crate) async fn run(store: Weak<Inner>, mut queue: mpsc::Receiver<Item>, clock: Clock, tasks: Tasks) {
    const RETRY_MS: Millis = RETRY_EVERY.as_millis() as Millis;
    // What opening could not settle is not worth trying again at once.
    let mut look_after_ms = clock.now_ms() + RETRY_MS;
    loop {
        let Some(missed) = store
            .upgrade()
            .map(|store| store.settler.missed.load(Ordering::Relaxed))
        else {
            return;
        };
        let mut batch = Vec::new();
        let mut stopping = false;
        tokio::select! {
            first = queue.recv() => match first {
                Some(first) => batch.push(first),
                None => return,
            },
            () = clock.sleep(RETRY_EVERY), if missed => {}
            () = tasks.stopping().cancelled() => stopping = true,
        }
        if !batch.is_empty() && queue.len() < BATCH_MAX {
            tokio::select! {
                () = clock.sleep(GATHER) => {}
                () = tasks.stopping().cancelled() => {}
            }
        }
        while batch.len() < BATCH_MAX
            && let Ok(item) = queue.try_recv()
        {
            batch.push(item);
        }
        let Some(store) = store.upgrade() else { return };
        let look =
            queue.is_empty() && clock.now_ms() >= look_after_ms && store.settler.missed.swap(false, Ordering::Relaxed);
        if batch.is_empty() && !look {
            if stopping {
                return;
            }
            continue;
        }
        let settling = store.clone();
        let work = tasks.spawn_blocking(move || {
            let left = batch.len() - settling.install_and_settle(batch);
            match look {
                true => settling.settle_all().map(|all| left + all.left),
                false => Ok(left),
            }
        });
        match work.await {
            Ok(Ok(0)) => continue,
            Ok(Ok(left)) => tracing::warn!(left, "stored objects stay unsettled for now"),
            Ok(Err(error)) => tracing::warn!(%error, "stored objects stay unsettled for now"),
            Err(_) => return,
        }
        store.settler.miss();
        look_after_ms = clock.now_ms() + RETRY_MS;
    }
}

/// What came of settling everything.
pub(crate) struct SettledAll {
    pub(crate) settled: usize,
    pub(crate) left: usize,
}

impl Inner {
    /// Installs and settles all that is unsettled, a batch at a time.
    pub(crate) fn settle_all(&self) -> Result<SettledAll, ObjectError> {
        let (mut settled, mut left) = (0, 0);
        let mut after = None;
        loop {
            let page = self.unsettled(after.as_ref())?;
            let Some((last, _)) = page.last() else {
                return Ok(SettledAll { settled, left });
            };
            after = Some(last.clone());
            let count = page.len();
            let done = self.install_and_settle(page);
            settled += done;
            left += count - done;
        }
    }

    /// The next batch of unsettled objects behind `after`.
    pub(crate) fn unsettled(&self, after: Option<&ObjectName>) -> Result<Vec<Item>, ObjectError> {
        let page = self.meta.read(|s| s.scan(&UNSETTLED, &(), after, BATCH_MAX))?;
        Ok(page.into_iter().map(|(name, unsettled)| (name, unsettled.id)).collect())
    }

    /// Tells how many of the objects are settled.
    fn install_and_settle(&self, items: Vec<Item>) -> usize {
        let installed = items.into_iter().filter(|(name, _)| match self.install(name) {
            Ok(()) => true,
            Err(error) => {
                let key = name.key();
                tracing::debug!(%error, bucket = name.bucket, key, "an object is not at its path yet");
                false
            }
        });
        self.settle(installed.collect()).unwrap_or_else(|error| {
            tracing::warn!(%error, "objects at their paths could not be settled");
            0
        })
    }

    /// Makes the places of installed files durable, then says so in the records. An object whose directories
    /// cannot be synced stays as it is and holds up no other. Returns how many are settled.
    fn settle(&self, items: Vec<Item>) -> Result<usize, ObjectError> {
        let places = self.meta.read(|s| {
            let place = |name: &ObjectName| {
                let (unsettled, stored) = (s.get(&UNSETTLED, name)?, s.get(&OBJECTS, name)?);
                let removed = unsettled.into_iter().flat_map(|unsettled| unsettled.remove);
                let paths: Vec<_> = removed.chain(stored.map(|stored| stored.path)).collect();
                Ok::<_, ObjectError>(paths)
            };
            items.iter().map(|(name, _)| place(name)).collect::<Result<Vec<_>, _>>()
        })?;
        let mut synced = BTreeMap::new();
        let durable: Vec<Item> = items
            .into_iter()
            .zip(places)
            .filter(|((name, _), paths)| {
                let bucket = self.bucket_dir(&name.bucket);
                paths.iter().all(|path| self.sync_dirs(&bucket.join(path), &mut synced))
            })
            .map(|(item, _)| item)
            .collect();
        if durable.is_empty() {
            return Ok(0);
        }
        let count = durable.len();
        self.meta.write_blocking(move |tx| {
            for (name, id) in durable {
                // A later write or deletion of the object settles for itself.
                if tx.get(&UNSETTLED, &name)?.is_none_or(|unsettled| unsettled.id != id) {
                    continue;
                }
                tx.delete(&UNSETTLED, &name)?;
                if let Some(mut stored) = tx.get(&OBJECTS, &name)? {
                    stored.staged = false;
                    tx.put(&OBJECTS, &name, &stored)?;
                }
            }
            Ok::<_, MetaError>(())
        })?;
        Ok(count)
    }

    /// Syncs the directories from a file's up to the root, each once, and tells whether all are durable.
    fn sync_dirs(&self, file: &Path, synced: &mut BTreeMap<PathBuf, bool>) -> bool {
        let dirs = file.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir));
        let mut each = dirs.map(|dir| *synced.entry(dir.to_owned()).or_insert_with(|| sync(dir)));
        each.all(|durable| durable)
    }
}

fn sync(dir: &Path) -> bool {
    match sync_dir(dir) {
        Ok(()) => true,
        // It went empty and was removed, and a file may have its name since; its parent is synced too.
        Err(ObjectError::Io { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            true
        }
        Err(error) => {
            tracing::warn!(%error, "what is in a directory is not durable yet");
            false
        }
    }
}
