//! Writing a file under a fresh name in the staging directory. All of it blocks.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;

use crate::digest::Digests;
use crate::error::Context;
use crate::store::{Inner, STAGING, sync_dir};
use crate::{Algorithm, Checksum, ObjectError, WRITE_BYTES_MAX};

/// Most bytes that one call copies between files.
const COPY_BYTES_MAX: usize = 1 << 30;

/// A file that is removed again unless it is kept.
pub(crate) struct StagedFile {
    store: Arc<Inner>,
    id: String,
    file: File,
    keep: bool,
}

impl StagedFile {
    pub(crate) fn create(store: &Arc<Inner>) -> Result<Self, ObjectError> {
        let id = store.fresh_id();
        let path = store.staged(&id);
        let file = File::create_new(&path).context(|| format!("making {}", path.display()))?;
        Ok(Self {
            store: store.clone(),
            id,
            file,
            keep: false,
        })
    }

    /// Appends the bytes of another file in `range`, which costs no copy where the file system can share them.
    pub(crate) fn append(&mut self, from: &File, range: Range<u64>) -> Result<(), ObjectError> {
        let Range { mut start, end } = range;
        while start < end {
            let length = usize::try_from(end - start)
                .unwrap_or(COPY_BYTES_MAX)
                .min(COPY_BYTES_MAX);
            let copied = match rustix::fs::copy_file_range(from, Some(&mut start), &self.file, None, length) {
                // Some file systems do not know how.
                Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                    let mut piece = vec![0; length.min(1 << 20)];
                    let read = from
                        .read_at(&mut piece, start)
                        .context(|| format!("copying to {}", self.id))?;
                    self.file
                        .write_all(&piece[..read])
                        .context(|| format!("copying to {}", self.id))?;
                    start += read as u64;
                    read
                }
                other => other.context(|| format!("copying to {}", self.id))?,
            };
            if copied == 0 {
                let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(short).context(|| format!("copying to {}", self.id));
            }
        }
        Ok(())
    }

    /// Makes the content and the name durable.
    pub(crate) fn sync(&self) -> Result<(), ObjectError> {
        self.file
            .sync_all()
            .context(|| format!("syncing {}", self.store.staged(&self.id).display()))?;
        sync_dir(&self.store.dir.join(STAGING))
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Leaves the file where it is: a record names it, or may.
    pub(crate) fn keep(mut self) -> String {
        self.keep = true;
        self.id.clone()
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.keep {
            fs::remove_file(self.store.staged(&self.id)).ok();
        }
    }
}

/// Content on its way into a staged file, digested as it goes by.
pub(crate) struct Sink {
    staged: StagedFile,
    digests: Digests,
    size: u64,
}

/// A durable staged file and what it holds.
pub(crate) struct Finished {
    pub(crate) staged: StagedFile,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Checksum,
}

impl Sink {
    pub(crate) fn create(store: &Arc<Inner>, algorithm: Algorithm) -> Result<Self, ObjectError> {
        Ok(Self {
            staged: StagedFile::create(store)?,
            digests: Digests::new(algorithm),
            size: 0,
        })
    }

    pub(crate) fn write(&mut self, chunks: &[Bytes]) -> Result<(), ObjectError> {
        for chunk in chunks {
            self.size += chunk.len() as u64;
            if self.size > WRITE_BYTES_MAX {
                return Err(ObjectError::TooLarge {
                    size: self.size,
                    max: WRITE_BYTES_MAX,
                });
            }
            self.staged
                .file
                .write_all(chunk)
                .context(|| format!("writing {}", self.staged.id))?;
            self.digests.update(chunk);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Finished, ObjectError> {
        self.staged.sync()?;
        let (md5, checksum) = self.digests.finish();
        Ok(Finished {
            staged: self.staged,
            size: self.size,
            md5,
            checksum,
        })
    }
}
