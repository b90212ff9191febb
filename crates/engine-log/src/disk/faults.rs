//! A disk that fails as it is told to, and forgets at a power cut what was not synced.
//!
//! While a directory is watched, every file written to is remembered as it is on the platter, together with the
//! writes that are in the disk's cache alone. A power cut makes a copy of the directory in which each sector of
//! such a write is there or not.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) full: AtomicBool,
    pub(crate) sync_fails: AtomicBool,
    /// When not 0: the next write stops with ENOSPC after this many bytes.
    pub(crate) write_stops_after: AtomicU64,
    pub(crate) syncs: AtomicU64,
    /// Numbers of appends that whoever made them has seen answered.
    pub(crate) answered: Mutex<Vec<u64>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watched: Option<PathBuf>,
    /// By inode, those that were written to.
    files: HashMap<u64, Tracked>,
    /// The names that a power cut leaves.
    names: BTreeMap<OsString, Arc<File>>,
    plan: Option<Plan>,
    struck: bool,
    /// What had been answered when the power was cut.
    cut: Option<Vec<u64>>,
}

#[derive(Debug)]
struct Tracked {
    /// Open, so that its inode is not given to another file.
    _file: File,
    durable: Vec<u8>,
    cached: Vec<(usize, Vec<u8>)>,
}

/// Which of the log's threads a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Writer,
    Housekeeper,
    /// Whoever opens the log.
    Opener,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) on: On,
    /// How many writes, syncs and reservations of that thread go well before.
    pub(crate) after: u32,
    pub(crate) strike: Strike,
}

#[derive(Debug, Clone)]
pub(crate) enum Strike {
    /// A write takes so many bytes only, without an error.
    Short(usize),
    Interrupted,
    /// A write stops with an I/O error after so many bytes; a sync fails and what it was to sync is forgotten.
    Broken(usize),
    /// A write stops after so many bytes for want of room.
    Full(usize),
    /// The directory as a power cut leaves it is copied; the log goes on and knows nothing of it.
    PowerCut(Cut),
}

#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) to: PathBuf,
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Write,
    Sync,
    Allocate,
}

impl Faults {
    /// Everything in the directory is durable now, and from now on it is known what is.
    pub(crate) fn watch(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        *state = State {
            watched: Some(directory.to_owned()),
            names: names(directory)?,
            ..State::default()
        };
        Ok(())
    }

    pub(crate) fn plan(&self, plan: Option<Plan>) {
        let mut state = self.state.lock();
        state.plan = plan;
        state.struck = false;
    }

    /// Whether what was planned has come about.
    pub(crate) fn struck(&self) -> bool {
        self.state.lock().struck
    }

    /// What had been answered at the power cut; the power is cut now if it was not before.
    pub(crate) fn cut(&self, cut: &Cut) -> io::Result<Vec<u64>> {
        let mut state = self.state.lock();
        if let Some(answered) = state.cut.take() {
            return Ok(answered);
        }
        let answered = self.answered.lock().clone();
        state.copy(cut)?;
        Ok(answered)
    }

    /// Flips a bit on the platter.
    pub(crate) fn flip(&self, path: &Path, at: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state.lock();
        let file = File::options().read(true).write(true).open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        byte[0] ^= 1 << bit;
        file.write_all_at(&byte, at)?;
        if let Some(tracked) = state.files.get_mut(&file.metadata()?.ino())
            && let Some(durable) = tracked.durable.get_mut(at as usize)
        {
            *durable ^= 1 << bit;
        }
        Ok(())
    }

    pub(super) fn allocate(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut state = self.state.lock();
        match state.strike(Event::Allocate) {
            Some(Strike::Full(_)) => Err(io::ErrorKind::StorageFull.into()),
            Some(Strike::Broken(_)) => Err(io::Error::other("injected")),
            Some(Strike::PowerCut(cut)) => self.cut_now(&mut state, &cut),
            _ => Ok(()),
        }
    }

    /// How many bytes were written, where that was not left to the system.
    pub(super) fn write(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<Option<usize>> {
        let mut state = self.state.lock();
        let stop = self.write_stops_after.swap(0, Ordering::SeqCst) as usize;
        let strike = if stop == 0 {
            state.strike(Event::Write)
        } else {
            Some(Strike::Full(stop))
        };
        let (bytes_max, outcome) = match strike {
            Some(Strike::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Strike::Short(bytes)) => (bytes.max(1), Ok(())),
            Some(Strike::Broken(bytes)) => (bytes, Err(io::Error::other("injected"))),
            Some(Strike::Full(bytes)) => (bytes, Err(io::ErrorKind::StorageFull.into())),
            Some(Strike::PowerCut(cut)) => {
                state.write(file, &taken(slices, usize::MAX), at)?;
                self.cut_now(&mut state, &cut)?;
                return Ok(None);
            }
            None if state.watched.is_none() => return Ok(None),
            None => {
                state.write(file, &taken(slices, usize::MAX), at)?;
                return Ok(None);
            }
        };
        let bytes = taken(slices, bytes_max);
        state.write(file, &bytes, at)?;
        file.write_all_at(&bytes, at)?;
        outcome.map(|()| Some(bytes.len()))
    }

    /// Whether the sync is done with: the kernel's own takes time and adds nothing to what is known here.
    pub(super) fn sync(&self, file: &File) -> io::Result<bool> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        let mut state = self.state.lock();
        if state.watched.is_none() {
            return Ok(false);
        }
        let metadata = file.metadata()?;
        match state.strike(Event::Sync) {
            Some(Strike::Broken(seed) | Strike::Full(seed)) => {
                // The kernel marks the pages clean, so a later sync succeeds without writing them.
                if let Some(tracked) = state.files.get_mut(&metadata.ino()) {
                    tracked.durable = tracked.torn(&mut StdRng::seed_from_u64(seed as u64));
                    tracked.cached.clear();
                }
                return Err(io::Error::other("injected"));
            }
            Some(Strike::PowerCut(cut)) => self.cut_now(&mut state, &cut)?,
            _ => {}
        }
        if let Some(tracked) = state.files.get_mut(&metadata.ino()) {
            for (at, bytes) in std::mem::take(&mut tracked.cached) {
                put(&mut tracked.durable, at, &bytes);
            }
            tracked.durable.resize(metadata.len() as usize, 0);
        }
        Ok(true)
    }

    pub(super) fn names_are_durable(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Some(directory) = &state.watched {
            state.names = names(directory)?;
        }
        Ok(())
    }

    fn cut_now(&self, state: &mut State, cut: &Cut) -> io::Result<()> {
        let answered = self.answered.lock().clone();
        state.copy(cut)?;
        state.cut = Some(answered);
        Ok(())
    }
}

impl State {
    fn strike(&mut self, event: Event) -> Option<Strike> {
        let on = match std::thread::current().name() {
            Some("log-write") => On::Writer,
            Some("log-housekeep") => On::Housekeeper,
            _ => On::Opener,
        };
        let plan = self.plan.as_mut().filter(|plan| plan.on == on)?;
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        if event != Event::Write && matches!(plan.strike, Strike::Short(_) | Strike::Interrupted) {
            return None;
        }
        self.struck = true;
        self.plan.take().map(|plan| plan.strike)
    }

    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.watched.is_none() {
            return Ok(());
        }
        let metadata = file.metadata()?;
        let tracked = match self.files.entry(metadata.ino()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let mut durable = vec![0; metadata.len() as usize];
                if file.read_exact_at(&mut durable, 0).is_err() {
                    // The handle that fills files with zeros cannot read, and zeros are what they hold anyway.
                    return Ok(());
                }
                unknown.insert(Tracked {
                    _file: file.try_clone()?,
                    durable,
                    cached: Vec::new(),
                })
            }
        };
        tracked.cached.push((at as usize, bytes.to_vec()));
        Ok(())
    }

    /// Copies what a power cut leaves of the watched directory.
    fn copy(&self, cut: &Cut) -> io::Result<()> {
        let Some(directory) = &self.watched else {
            return Ok(());
        };
        let mut rng = StdRng::seed_from_u64(cut.seed);
        std::fs::create_dir_all(&cut.to)?;
        let now = names(directory)?;
        // Of each file either its name of the last sync of the directory is left or the one it has now.
        let mut by_inode = BTreeMap::<u64, (Arc<File>, Option<OsString>, Option<OsString>)>::new();
        for (name, file) in &self.names {
            let entry = || (file.clone(), None, None);
            by_inode.entry(file.metadata()?.ino()).or_insert_with(entry).1 = Some(name.clone());
        }
        for (name, file) in now {
            let entry = || (file.clone(), None, None);
            by_inode.entry(file.metadata()?.ino()).or_insert_with(entry).2 = Some(name);
        }
        let all_new = rng.random_bool(0.5);
        for (inode, (file, before, now)) in by_inode {
            let Some(name) = (if all_new || rng.random() { now } else { before }) else {
                continue;
            };
            let current_bytes = file.metadata()?.len() as usize;
            let mut content = match self.files.get(&inode) {
                Some(tracked) => tracked.torn(&mut rng),
                None => read(&file, current_bytes)?,
            };
            // A file may have been cut without a sync.
            if content.len() > current_bytes && rng.random() {
                content.truncate(current_bytes);
            }
            std::fs::write(cut.to.join(name), content)?;
        }
        Ok(())
    }
}

impl Tracked {
    /// What is on the platter, and of what is in the cache all, nothing, a part up to some byte, or some sectors.
    fn torn(&self, rng: &mut StdRng) -> Vec<u8> {
        let mut left = self.durable.clone();
        let way = rng.random_range(0..4);
        let total = self.cached.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let mut until = match way {
            0 => total,
            1 => 0,
            _ => rng.random_range(0..=total),
        };
        for (at, bytes) in &self.cached {
            if way < 3 {
                let count = bytes.len().min(until);
                put(&mut left, *at, &bytes[..count]);
                until -= count;
                continue;
            }
            let mut from = 0;
            while from < bytes.len() {
                let to = (at + from + 1).next_multiple_of(SECTOR_BYTES) - at;
                let to = to.min(bytes.len());
                if rng.random() {
                    put(&mut left, at + from, &bytes[from..to]);
                }
                from = to;
            }
        }
        left
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn read(file: &File, count: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; count];
    // It may be shorter by now.
    let found = file.read_at(&mut content, 0)?;
    content.truncate(found);
    Ok(content)
}

fn names(directory: &Path) -> io::Result<BTreeMap<OsString, Arc<File>>> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // What is renamed or removed by another thread just now counts as gone.
        match File::open(entry.path()) {
            Ok(file) if file.metadata()?.is_file() => drop(names.insert(entry.file_name(), Arc::new(file))),
            _ => {}
        }
    }
    Ok(names)
}

fn taken(slices: &[IoSlice<'_>], bytes_max: usize) -> Vec<u8> {
    slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .take(bytes_max)
        .collect()
}
