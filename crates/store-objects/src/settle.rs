//! Settling: once a file's rename or removal is durable, the record that recovery would need is dropped.
//!
//! Nobody waits for it, so many objects share the syncing of their directories and one transaction.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use base::{Clock, Tasks};
use store_meta::{MetaError, Read};
use tokio::sync::mpsc;

use crate::ObjectError;
use crate::record::{OBJECTS, ObjectName, UNSETTLED};
use crate::store::{Inner, sync_dir};

/// What may wait; the rest is settled when the store is opened again.
const QUEUE_MAX: usize = 16 * 1024;
/// How many objects one transaction settles.
const BATCH_MAX: usize = 1024;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

pub(crate) struct Settler(mpsc::Sender<Item>);

/// An object and the write of it that is to be settled.
type Item = (ObjectName, String);

impl Settler {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Item>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self(sender), receiver)
    }

    pub(crate) fn push(&self, name: ObjectName, id: String) {
        // A full queue costs nothing but work at the next opening.
        self.0.try_send((name, id)).ok();
    }
}

pub(crate) async fn run(store: Weak<Inner>, mut queue: mpsc::Receiver<Item>, clock: Clock, tasks: Tasks) {
    let mut batch = Vec::new();
    loop {
        let stopping = tokio::select! {
            first = queue.recv() => match first {
                Some(first) => {
                    batch.push(first);
                    false
                }
                None => return,
            },
            () = tasks.stopping().cancelled() => true,
        };
        if !stopping {
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
        let items = std::mem::take(&mut batch);
        if !items.is_empty() {
            let work = tasks.spawn_blocking(move || store.install_and_settle(items));
            match work.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "stored objects stay unsettled until the store is opened again")
                }
                Err(_) => return,
            }
        } else if stopping {
            return;
        }
    }
}

impl Inner {
    fn install_and_settle(&self, items: Vec<Item>) -> Result<(), ObjectError> {
        let installed = items.into_iter().filter(|(name, _)| match self.install(name) {
            Ok(()) => true,
            Err(error) => {
                let key = name.key();
                tracing::warn!(%error, bucket = name.bucket, key, "the object's file stays in the staging directory");
                false
            }
        });
        self.settle(installed.collect())
    }

    /// Makes the places of installed files durable, then says so in the records.
    pub(crate) fn settle(&self, items: Vec<Item>) -> Result<(), ObjectError> {
        if items.is_empty() {
            return Ok(());
        }
        let mut dirs = BTreeSet::new();
        self.meta.read(|s| {
            for (name, _) in &items {
                let bucket = self.bucket_dir(&name.bucket);
                let unsettled = s.get(&UNSETTLED, name)?;
                let stored = s.get(&OBJECTS, name)?;
                let paths = unsettled
                    .into_iter()
                    .flat_map(|u| u.remove)
                    .chain(stored.map(|s| s.path));
                for path in paths {
                    let ancestors = bucket.join(path);
                    dirs.extend(
                        ancestors
                            .ancestors()
                            .skip(1)
                            .take_while(|dir| dir.starts_with(&self.dir))
                            .map(PathBuf::from),
                    );
                }
            }
            Ok::<_, ObjectError>(())
        })?;
        for dir in dirs {
            match sync_dir(&dir) {
                // A directory that went empty and was removed; its parent is in the set too.
                Err(ObjectError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        self.meta.write_blocking(move |tx| {
            for (name, id) in items {
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
        Ok(())
    }
}
