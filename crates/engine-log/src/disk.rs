//! The few things the log asks of a file system, in one place, so that tests can make them fail.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags};

#[cfg(test)]
pub(crate) mod faults;

/// Linux takes at most this many slices in one call.
const SLICES_MAX: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<faults::Faults>,
}

impl Disk {
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    /// A second handle that goes past the page cache, where the file system has that.
    pub(crate) fn open_direct(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .custom_flags(OFlags::DIRECT.bits() as i32)
            .open(path)
    }

    /// Reserves the file's first `bytes`, so that writing there neither runs out of room nor changes the size.
    pub(crate) fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.allocate()?;
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            // A file system without fallocate reports a lack of room when written to, which is handled too.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                file.set_len(bytes.max(file.metadata()?.len()))
            }
            other => Ok(other?),
        }
    }

    pub(crate) fn write_all_at(&self, file: &File, mut slices: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        while !slices.is_empty() {
            let written = match self.write_at(file, &slices[..slices.len().min(SLICES_MAX)], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            at += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    /// One call to the system, which may write less than it was given.
    fn write_at(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(written) = self.faults.write(file, slices, at)? {
            return Ok(written);
        }
        Ok(rustix::io::pwritev(file, slices, at)?)
    }

    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        if self.faults.sync(file)? {
            return Ok(());
        }
        file.sync_data()
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()?;
        #[cfg(test)]
        self.faults.names_are_durable()?;
        Ok(())
    }
}
