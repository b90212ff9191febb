//! The few things the log asks of a file system, in one place, so that tests can make them fail.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags};

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
        #[cfg(test)]
        self.faults.write(file, slices, at)?;
        while !slices.is_empty() {
            let written = match rustix::io::pwritev(file, &slices[..slices.len().min(SLICES_MAX)], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            at += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults.sync()?;
        file.sync_data()
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(test)]
pub(crate) mod faults {
    use std::fs::File;
    use std::io::{self, IoSlice};
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    #[derive(Debug, Default)]
    pub(crate) struct Faults {
        pub(crate) full: AtomicBool,
        pub(crate) sync_fails: AtomicBool,
        /// When not 0: the next write stops with ENOSPC after this many bytes.
        pub(crate) write_stops_after: AtomicU64,
        pub(crate) syncs: AtomicU64,
    }

    impl Faults {
        pub(super) fn allocate(&self) -> io::Result<()> {
            if self.full.load(Ordering::SeqCst) {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        }

        pub(super) fn write(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
            let stop = self.write_stops_after.swap(0, Ordering::SeqCst) as usize;
            if stop == 0 {
                return Ok(());
            }
            let all = slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .take(stop)
                .collect::<Vec<_>>();
            file.write_all_at(&all, at)?;
            Err(io::ErrorKind::StorageFull.into())
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            if self.sync_fails.load(Ordering::SeqCst) {
                Err(io::Error::other("injected"))
            } else {
                Ok(())
            }
        }
    }
}
