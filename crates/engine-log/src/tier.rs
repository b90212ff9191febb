//! The tier: an object store that takes finished records off this disk.
//!
//! An object holds the frames that one group of partitions has in one log file, by partition and offset, and is a log
//! file itself: the same header, the same frames, only elsewhere in it. Its index stays here. `mover.rs` makes objects
//! and removes them, `read.rs` reads them.

use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use store_objects::{Remote, RemoteError};
use tokio::runtime::Handle;

use crate::LogError;
use crate::files::Kind;
use crate::log::Shared;
use crate::partition::Home;

/// At most so much is read at once, unless one frame is larger: little of a file, which the page cache keeps, more of
/// an object, where every read is a request.
const FILE_RUN_BYTES_MAX: u32 = 1 << 20;
const OBJECT_RUN_BYTES_MAX: u32 = 8 << 20;

/// An object in the tier.
#[derive(Debug, Clone)]
pub(crate) struct Tiered {
    pub(crate) partitions: Vec<u64>,
    /// Frames.
    pub(crate) bytes: u64,
}

pub(crate) fn object_name(file: u32, group: u64) -> String {
    format!("{file:010}-{group}.log")
}

/// What frames are read from. Reading blocks.
pub(crate) enum Source {
    File(Arc<File>),
    Object { tier: Remote, name: String },
}

impl Source {
    pub(crate) fn open(shared: &Shared, file: u32, home: Home) -> io::Result<Self> {
        match home {
            Home::File => Ok(Self::File(shared.handles.get(&shared.directory, file, Kind::Log)?)),
            Home::Tier(group) => {
                let tier = configured(shared.tier.as_ref())?;
                let name = object_name(file, group);
                // A file is read as one: waiting for the library, which hands it to other threads of the pool that this
                // one belongs to, could leave all of them waiting for each other.
                match tier.file_of(&name) {
                    Some(path) => {
                        let missing = |error| LogError::Tier(format!("{}: {error}", path.display()));
                        let file = File::open(&path).map_err(|error| io::Error::other(missing(error)))?;
                        Ok(Self::File(Arc::new(file)))
                    }
                    None => Ok(Self::Object {
                        tier: tier.clone(),
                        name,
                    }),
                }
            }
        }
    }

    pub(crate) fn read(&self, from: u32, to: u32) -> io::Result<Bytes> {
        match self {
            Self::File(log) => {
                let mut buffer = vec![0; (to - from) as usize];
                match log.read_exact_at(&mut buffer, u64::from(from)) {
                    // A file that lost its end is read as far as it goes, so that the frames that are whole are found.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        read_up_to_end(log, &mut buffer, from)?
                    }
                    read => read?,
                }
                Ok(Bytes::from(buffer))
            }
            Self::Object { tier, name } => {
                let range = u64::from(from)..u64::from(to);
                let read = Handle::current()
                    .block_on(tier.get_range(name, range))
                    .map_err(failed)?;
                if read.len() == (to - from) as usize {
                    return Ok(read);
                }
                // An object that lost its end is read as far as it goes, like a file.
                let mut padded = read.to_vec();
                padded.resize((to - from) as usize, 0);
                Ok(padded.into())
            }
        }
    }

    pub(crate) fn run_bytes_max(&self) -> u32 {
        match self {
            Self::File(_) => FILE_RUN_BYTES_MAX,
            Self::Object { .. } => OBJECT_RUN_BYTES_MAX,
        }
    }

    /// All of it as a file, to scan it. Must run inside the runtime.
    pub(crate) fn as_file(&self, directory: &Path) -> io::Result<Arc<File>> {
        match self {
            Self::File(log) => Ok(log.clone()),
            Self::Object { tier, name } => Ok(Arc::new(fetch(tier, directory, name)?)),
        }
    }
}

/// Fills the rest with zeros, which no frame is.
fn read_up_to_end(log: &File, buffer: &mut [u8], from: u32) -> io::Result<()> {
    buffer.fill(0);
    let there = log.metadata()?.len().saturating_sub(u64::from(from));
    let there = buffer.len().min(there as usize);
    log.read_exact_at(&mut buffer[..there], u64::from(from))
}

/// An object's bytes in a file without a name.
pub(crate) fn fetch(tier: &Remote, directory: &Path, name: &str) -> io::Result<File> {
    let content = wait_for(tier.get(name))?.map_err(failed)?;
    let path = directory.join(name).with_extension("fetched.tmp");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    match std::fs::remove_file(&path) {
        // Another reader does the same with the same content.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    file.write_all(&content)?;
    Ok(file)
}

pub(crate) fn configured(tier: Option<&Remote>) -> io::Result<&Remote> {
    tier.ok_or_else(|| io::Error::other(LogError::Tier("no tier is set".to_owned())))
}

pub(crate) fn failed(error: RemoteError) -> io::Error {
    io::Error::other(LogError::Tier(error.to_string()))
}

/// Waits on a thread of its own, since the caller's may be one that must not be blocked on a future.
fn wait_for<T: Send>(work: impl Future<Output = T> + Send) -> io::Result<T> {
    let runtime = Handle::try_current().map_err(io::Error::other)?;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.block_on(work));
        waiting.join().map_err(|_| io::Error::other("reading an object failed"))
    })
}
