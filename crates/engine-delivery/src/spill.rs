//! Records that wait for their object and have no room in memory, in files without names.
//!
//! Nothing here need survive: the log has the records.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A new file begins when one has so many bytes; a file is gone when nothing in it is asked for any more.
const FILE_BYTES: u64 = 256 << 20;

#[derive(Clone)]
pub(crate) struct Spill {
    directory: PathBuf,
    current: Option<(Arc<File>, u64)>,
}

/// Bytes in a file.
#[derive(Debug)]
pub(crate) struct Extent {
    file: Arc<File>,
    at: u64,
    bytes: usize,
}

impl Spill {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            current: None,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Extent> {
        let (file, at) = match self.current.take().filter(|(_, end)| *end < FILE_BYTES) {
            Some(current) => current,
            None => {
                std::fs::create_dir_all(&self.directory)?;
                (Arc::new(tempfile::tempfile_in(&self.directory)?), 0)
            }
        };
        file.write_all_at(bytes, at)?;
        self.current = Some((file.clone(), at + bytes.len() as u64));
        let bytes = bytes.len();
        Ok(Extent { file, at, bytes })
    }
}

impl Extent {
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes];
        self.file.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes)
    }
}
