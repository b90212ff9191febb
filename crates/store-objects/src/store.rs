//! The handle on the store, and what opening it does.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Clock, Random, Tasks};
use parking_lot::Mutex;
use store_meta::{Meta, Read};

use crate::ObjectError;
use crate::error::Context;
use crate::key_path::{self, Case};
use crate::record::{OBJECTS, ObjectName, UNSETTLED, UPLOAD_PARTS};
use crate::settle::Settler;

/// Files on their way in. No bucket can have this name, nor the next.
pub(crate) const STAGING: &str = ".staging";
const FORMAT_FILE: &str = ".format";
/// What this build writes and the only things that it reads.
const FORMAT_CASE_FOLDED: &str = "catchment objects 1\n";
const FORMAT_CASE_KEPT: &str = "catchment objects 1, case kept\n";
/// Locks that order the renames of one object's files; objects share them by hash.
const INSTALL_LOCKS: usize = 256;
/// Locks that make calls that complete one upload wait for each other; uploads share them by hash.
const COMPLETE_LOCKS: usize = 256;

/// Buckets and objects. Clones share one store.
#[derive(Clone)]
pub struct Objects(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) case: Case,
    pub(crate) meta: Meta,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) tasks: Tasks,
    pub(crate) settler: Settler,
    install_locks: Vec<Mutex<()>>,
    complete_locks: Vec<tokio::sync::Mutex<()>>,
}

impl Objects {
    /// Opens the store in `dir`, or makes it, finishes what a crash interrupted and removes what it left.
    /// Blocks on file I/O; call it within a tokio runtime, before serving.
    pub fn open(dir: &Path, meta: Meta, clock: Clock, random: Random, tasks: Tasks) -> Result<Self, ObjectError> {
        fs::create_dir_all(dir.join(STAGING)).context(|| format!("making the object store {}", dir.display()))?;
        let case = check_format(dir)?;
        let (settler, queue) = Settler::new();
        let install_locks = (0..INSTALL_LOCKS).map(|_| Mutex::new(())).collect();
        let complete_locks = (0..COMPLETE_LOCKS).map(|_| tokio::sync::Mutex::new(())).collect();
        let inner = Inner {
            dir: dir.to_owned(),
            case,
            meta,
            clock,
            random,
            tasks: tasks.clone(),
            settler,
            install_locks,
            complete_locks,
        };
        let objects = Self(Arc::new(inner));
        objects.0.recover()?;
        tasks.spawn(crate::settle::run(
            Arc::downgrade(&objects.0),
            queue,
            objects.0.clock.clone(),
            tasks.clone(),
        ));
        Ok(objects)
    }

    /// The directory of a bucket's files, for tools that read them directly.
    pub fn bucket_dir(&self, bucket: &str) -> PathBuf {
        self.0.bucket_dir(bucket)
    }

    /// The key of the object whose file lies at `path` below its bucket's directory; `None` where it is no object's.
    pub fn key_of(&self, path: &str) -> Option<String> {
        key_path::decode(path, self.0.case)
    }

    /// Runs file work on the blocking pool.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let inner = self.0.clone();
        self.0.tasks.spawn_blocking(move || work(&inner)).await?
    }
}

impl Inner {
    pub(crate) fn bucket_dir(&self, bucket: &str) -> PathBuf {
        self.dir.join(bucket)
    }

    pub(crate) fn staged(&self, id: &str) -> PathBuf {
        self.dir.join(STAGING).join(id)
    }

    pub(crate) fn fresh_id(&self) -> String {
        self.random.uuid().simple().to_string()
    }

    fn install_lock(&self, name: &ObjectName) -> &Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        &self.install_locks[hash as usize % INSTALL_LOCKS]
    }

    pub(crate) fn complete_lock(&self, upload: &str) -> &tokio::sync::Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(upload);
        &self.complete_locks[hash as usize % COMPLETE_LOCKS]
    }

    /// Brings the files of one object to where its record says they belong. Safe to repeat at any time.
    ///
    /// The lock makes looking at the record and renaming one step, so that of two writes of an object the
    /// later one's file ends up at the path. It is held on the blocking pool only.
    pub(crate) fn install(&self, name: &ObjectName) -> Result<(), ObjectError> {
        let _renaming = self.install_lock(name).lock();
        let (stored, unsettled) = self
            .meta
            .read(|s| Ok::<_, ObjectError>((s.get(&OBJECTS, name)?, s.get(&UNSETTLED, name)?)))?;
        let Some(unsettled) = unsettled else { return Ok(()) };
        let bucket = self.bucket_dir(&name.bucket);
        for path in &unsettled.remove {
            self.remove_file(&bucket, path)?;
        }
        match stored {
            Some(stored) if stored.staged => self.rename_in(&self.staged(&stored.id), &bucket, &stored.path),
            _ => Ok(()),
        }
    }

    fn rename_in(&self, from: &Path, bucket: &Path, path: &str) -> Result<(), ObjectError> {
        /// Deletions of neighbours may remove the directory again as often as this.
        const ATTEMPTS_MAX: usize = 16;
        let to = bucket.join(path);
        let mut outcome = fs::rename(from, &to);
        for _ in 0..ATTEMPTS_MAX {
            match &outcome {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if !from
                        .try_exists()
                        .context(|| format!("looking for {}", from.display()))?
                    {
                        // An earlier call has renamed it.
                        return Ok(());
                    }
                    let parent = to.parent().unwrap_or(bucket);
                    fs::create_dir_all(parent).context(|| format!("making {}", parent.display()))?;
                }
                // The directory of keys that are gone by now.
                Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => prune_down(&to),
                _ => break,
            }
            outcome = fs::rename(from, &to);
        }
        outcome.context(|| format!("renaming {} to {}", from.display(), to.display()))
    }

    /// Removes a file and the directories that it leaves empty.
    fn remove_file(&self, bucket: &Path, path: &str) -> Result<(), ObjectError> {
        let file = bucket.join(path);
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            // The file has gone, and keys below its own have made a directory of its path since.
            Err(_) if file.is_dir() => return Ok(()),
            Err(error) => return Err(error).context(|| format!("removing {}", file.display())),
        }
        for parent in file
            .ancestors()
            .skip(1)
            .take_while(|parent| parent.starts_with(bucket) && *parent != bucket)
        {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes a staging file that no record names any more. Failing leaves it to the next opening.
    pub(crate) fn discard_staged(&self, id: &str) {
        match fs::remove_file(self.staged(id)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, id, "a staging file stays until the store is opened again"),
        }
    }

    /// Finishes interrupted renames and deletions, then removes staging files that belong to nothing.
    fn recover(&self) -> Result<(), ObjectError> {
        // A file may wait for a deletion elsewhere to free its path, so try until nothing moves.
        loop {
            let all = self.settle_all()?;
            if all.left == 0 {
                break;
            }
            if all.settled == 0 {
                let left = all.left;
                tracing::warn!(left, "stored objects stay unsettled for now");
                self.settler.miss();
                break;
            }
        }
        self.sweep_staging()
    }

    fn sweep_staging(&self) -> Result<(), ObjectError> {
        let mut wanted = HashSet::new();
        let mut page = self.unsettled(None)?;
        while let Some((last, _)) = page.last().cloned() {
            self.meta.read(|s| {
                for (name, _) in &page {
                    wanted.extend(s.get(&OBJECTS, name)?.map(|stored| stored.id));
                }
                Ok::<_, ObjectError>(())
            })?;
            page = self.unsettled(Some(&last))?;
        }
        self.meta.read(|s| {
            s.visit(&UPLOAD_PARTS, &(), None, |_, part| {
                wanted.insert(part.id);
                true
            })
        })?;
        let staging = self.dir.join(STAGING);
        for entry in fs::read_dir(&staging).context(|| format!("reading {}", staging.display()))? {
            let entry = entry.context(|| format!("reading {}", staging.display()))?;
            if !entry.file_name().to_str().is_some_and(|id| wanted.contains(id)) {
                let path = entry.path();
                fs::remove_file(&path).context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Removes `dir` and the directories below it as far as they are empty.
pub(crate) fn prune_down(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            prune_down(&entry.path());
        }
    }
    // It fails where something is left inside, which is what is wanted.
    fs::remove_dir(dir).ok();
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), ObjectError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .context(|| format!("syncing {}", dir.display()))
}

/// Which scheme of names the store has. A new one gets the scheme that its file system calls for.
fn check_format(dir: &Path) -> Result<Case, ObjectError> {
    let path = dir.join(FORMAT_FILE);
    let unusable = |reason: String| ObjectError::Io {
        context: reason,
        source: std::io::ErrorKind::InvalidData.into(),
    };
    match fs::read_to_string(&path) {
        Ok(text) if text == FORMAT_CASE_FOLDED => Ok(Case::Folded),
        Ok(text) if text == FORMAT_CASE_KEPT => match case_of(dir)? {
            Case::Kept => Ok(Case::Kept),
            Case::Folded => Err(unusable(format!(
                "{} was written where the case of letters in names is kept, and here it is not: keys that differ only \
                 in case would be one file",
                dir.display()
            ))),
        },
        Ok(text) => Err(unusable(format!(
            "{} was written by another version of catchment ({:?})",
            dir.display(),
            text.trim()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let case = case_of(dir)?;
            let making = || format!("making {}", path.display());
            // Written aside and renamed, so that a crash cannot leave half of it.
            let aside = dir.join(STAGING).join("format");
            let format = match case {
                Case::Kept => FORMAT_CASE_KEPT,
                Case::Folded => FORMAT_CASE_FOLDED,
            };
            fs::write(&aside, format).context(making)?;
            File::open(&aside).and_then(|file| file.sync_all()).context(making)?;
            fs::rename(&aside, &path).context(making)?;
            sync_dir(dir)?;
            Ok(case)
        }
        Err(error) => Err(error).context(|| format!("reading {}", path.display())),
    }
}

/// Whether the staging directory, which is there by any name that the file system takes for its own, has another.
fn case_of(dir: &Path) -> Result<Case, ObjectError> {
    let other = dir.join(STAGING.to_ascii_uppercase());
    match other
        .try_exists()
        .context(|| format!("looking for {}", other.display()))?
    {
        true => Ok(Case::Folded),
        false => Ok(Case::Kept),
    }
}
