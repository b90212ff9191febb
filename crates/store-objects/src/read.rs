//! Reading objects.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::Stream;
use store_meta::Read;

use crate::error::Context;
use crate::put::no_such_key;
use crate::record::{OBJECT_PARTS, OBJECTS, ObjectName, Stored};
use crate::store::Inner;
use crate::{ObjectError, ObjectInfo, ObjectPart, Objects};

/// Bytes of one piece of a streamed object.
const PIECE_BYTES: u64 = 512 << 10;

/// A part of an object's bytes, as an HTTP Range header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    From(u64),
    /// Both ends included.
    Between(u64, u64),
    Last(u64),
}

impl ByteRange {
    /// The bytes of an object of `size` bytes that the range names (RFC 9110, section 14.1.2).
    pub fn resolve(self, size: u64) -> Result<Range<u64>, ObjectError> {
        match self {
            Self::From(first) if first < size => Ok(first..size),
            Self::Between(first, last) if first < size && first <= last => Ok(first..last.saturating_add(1).min(size)),
            Self::Last(length) if length > 0 && size > 0 => Ok(size.saturating_sub(length)..size),
            _ => Err(ObjectError::InvalidRange { size }),
        }
    }
}

impl Objects {
    pub fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, ObjectError> {
        self.bucket(bucket)?;
        let name = ObjectName::new(bucket, key);
        let stored = self.0.stored(&name)?.ok_or_else(|| no_such_key(&name))?;
        Ok(stored.into_info(key.to_owned()))
    }

    /// Opens an object for reading. The reader keeps the content it opened, whatever is written meanwhile.
    pub async fn open_object(&self, bucket: &str, key: &str) -> Result<ObjectReader, ObjectError> {
        self.bucket(bucket)?;
        let name = ObjectName::new(bucket, key);
        let (file, stored) = self.blocking(move |store| store.open_file(&name)).await?;
        Ok(ObjectReader {
            objects: self.clone(),
            file: Arc::new(file),
            bucket: bucket.into(),
            info: stored.into_info(key.to_owned()),
        })
    }

    /// The bytes of an object in `range`, cut at its end.
    pub async fn read_range(&self, bucket: &str, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        self.open_object(bucket, key).await?.read_range(range).await
    }

    /// A whole object.
    pub async fn get_bytes(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        self.read_range(bucket, key, 0..u64::MAX).await
    }

    /// At most `limit` parts of a multipart object with numbers above `after`.
    pub fn object_parts(&self, info: &ObjectInfo, after: u32, limit: usize) -> Result<Vec<ObjectPart>, ObjectError> {
        let after = (info.id.clone(), u64::from(after));
        let parts = self
            .0
            .meta
            .read(|s| s.scan(&OBJECT_PARTS, &(info.id.clone(),), Some(&after), limit))?;
        Ok(parts.into_iter().map(|(_, part)| part).collect())
    }

    /// The bytes that part `number` of a multipart object has in it; `None` where it has no such part.
    pub fn object_part_range(&self, info: &ObjectInfo, number: u32) -> Result<Option<Range<u64>>, ObjectError> {
        let mut start = 0;
        for part in self.object_parts(info, 0, usize::MAX)? {
            if part.number == number {
                return Ok(Some(start..start + part.size));
            }
            start += part.size;
        }
        Ok(None)
    }
}

impl Inner {
    pub(crate) fn stored(&self, name: &ObjectName) -> Result<Option<Stored>, ObjectError> {
        Ok(self.meta.read(|s| s.get(&OBJECTS, name))?)
    }

    /// Opens the file that belongs to the object's record.
    ///
    /// A file is renamed over another only after the transaction that says so. So where the record is the
    /// same after the file was opened as before, the file is the record's.
    pub(crate) fn open_file(&self, name: &ObjectName) -> Result<(File, Stored), ObjectError> {
        let mut stored = self.stored(name)?.ok_or_else(|| no_such_key(name))?;
        loop {
            let opened = self.open_either(name, &stored);
            let now = self.stored(name)?.ok_or_else(|| no_such_key(name))?;
            if now.id != stored.id {
                stored = now;
                continue;
            }
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged(name, "it is gone")),
                Err(error) => return Err(error).context(|| format!("opening {}", stored.path)),
            };
            let size = file.metadata().context(|| format!("looking at {}", stored.path))?.len();
            if size != stored.size {
                return Err(damaged(name, &format!("it has {size} bytes, not {}", stored.size)));
            }
            return Ok((file, stored));
        }
    }

    fn open_either(&self, name: &ObjectName, stored: &Stored) -> std::io::Result<File> {
        if stored.staged {
            match File::open(self.staged(&stored.id)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        File::open(self.bucket_dir(&name.bucket).join(&stored.path))
    }
}

fn damaged(name: &ObjectName, reason: &str) -> ObjectError {
    ObjectError::Damaged {
        bucket: name.bucket.clone(),
        key: name.key(),
        reason: reason.to_owned(),
    }
}

/// An open object. Clones share the file.
#[derive(Clone)]
pub struct ObjectReader {
    objects: Objects,
    file: Arc<File>,
    bucket: Arc<str>,
    info: ObjectInfo,
}

impl ObjectReader {
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The bytes in `range`, cut at the object's end.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let end = range.end.min(self.info.size);
        let start = range.start.min(end);
        let (file, bucket, key) = (self.file.clone(), self.bucket.clone(), self.info.key.clone());
        self.objects
            .blocking(move |_| {
                let mut bytes = vec![0; (end - start) as usize];
                match file.read_exact_at(&mut bytes, start) {
                    Ok(()) => Ok(Bytes::from(bytes)),
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                        Err(damaged(&ObjectName::new(&bucket, &key), "it was cut short"))
                    }
                    Err(error) => Err(error).context(|| format!("reading {key}")),
                }
            })
            .await
    }

    /// The bytes in `range`, cut at the object's end, piece by piece.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, ObjectError>> + Send + Sync + 'static {
        let end = range.end.min(self.info.size);
        futures::stream::unfold((self, range.start), move |(reader, start)| async move {
            if start >= end {
                return None;
            }
            let next = end.min(start + PIECE_BYTES);
            let piece = reader.read_range(start..next).await;
            // Behind an error there is nothing.
            let next = if piece.is_ok() { next } else { end };
            Some((piece, (reader, next)))
        })
    }
}
