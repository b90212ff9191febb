//! Writing objects: content goes to the staging directory, then one transaction makes it the object.

use std::collections::BTreeMap;

use bytes::Bytes;
use store_meta::{Read, Tx};
use tokio::task::JoinHandle;

use crate::digest::{checksum, md5};
use crate::key_path::{self, Case};
use crate::record::{
    BUCKETS, KeyPrefix, OBJECT_PARTS, OBJECTS, ObjectName, Stored, UNSETTLED, UPLOAD_PARTS, UPLOADS, Unsettled,
    UploadName,
};
use crate::staging::{Finished, Sink, StagedFile};
use crate::{Algorithm, Checksum, Digest, Headers, KEY_BYTES_MAX, ObjectError, ObjectInfo, Objects, Tags, UploadPart};

/// How much content gathers before the blocking pool takes it; twice as much may be in memory.
const HANDOVER_BYTES: usize = 1 << 20;

/// What a write says about the object besides its content.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    pub headers: Headers,
    /// Names without `x-amz-meta-`, in lower case.
    pub user: BTreeMap<String, String>,
    pub tags: Tags,
    pub condition: Condition,
    /// The checksum to compute and keep; CRC64NVME where nothing is asked for, as S3 does.
    pub algorithm: Option<Algorithm>,
}

/// What must hold of the object that is there when the write or deletion commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// There is an object and it has this ETag.
    pub if_match: Option<EtagMatch>,
    /// There is no object, or it has another ETag.
    pub if_none_match: Option<EtagMatch>,
}

/// ETags without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagMatch {
    Any,
    Tag(String),
}

impl EtagMatch {
    pub fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tag(tag) => tag == etag,
        }
    }
}

impl Condition {
    /// The write succeeds only where there is no object.
    pub fn create() -> Self {
        Self {
            if_match: None,
            if_none_match: Some(EtagMatch::Any),
        }
    }

    /// The write succeeds only where the object is the one with this ETag.
    pub fn update(etag: impl Into<String>) -> Self {
        Self {
            if_match: Some(EtagMatch::Tag(etag.into())),
            if_none_match: None,
        }
    }

    pub(crate) fn check(&self, name: &ObjectName, there: Option<&Stored>) -> Result<(), ObjectError> {
        if let Some(wanted) = &self.if_match {
            let Some(stored) = there else {
                return Err(ObjectError::NoSuchKey {
                    bucket: name.bucket.clone(),
                    key: name.key(),
                });
            };
            if !wanted.matches(&stored.etag) {
                return Err(ObjectError::PreconditionFailed("If-Match"));
            }
        }
        match (&self.if_none_match, there) {
            (Some(unwanted), Some(stored)) if unwanted.matches(&stored.etag) => {
                Err(ObjectError::PreconditionFailed("If-None-Match"))
            }
            _ => Ok(()),
        }
    }
}

/// What the caller says the content is. It is checked before anything is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    pub md5: Option<[u8; 16]>,
    /// Of the algorithm that the write computes.
    pub checksum: Option<Checksum>,
}

impl Expected {
    /// Checks content that is not to be stored.
    pub fn check_bytes(&self, content: &[u8]) -> Result<(), ObjectError> {
        let algorithm = self.checksum.as_ref().map(|checksum| checksum.algorithm);
        let actual = algorithm.map(|algorithm| Checksum::full(algorithm, checksum(algorithm, content)));
        self.check(md5(content), actual.as_ref())
    }

    fn check(&self, md5: [u8; 16], checksum: Option<&Checksum>) -> Result<(), ObjectError> {
        if let Some(expected) = self.md5.filter(|expected| *expected != md5) {
            return Err(ObjectError::DigestMismatch {
                what: Digest::Md5,
                expected: hex::encode(expected),
                actual: hex::encode(md5),
            });
        }
        match (&self.checksum, checksum) {
            (Some(expected), Some(actual)) if expected != actual => Err(ObjectError::DigestMismatch {
                what: Digest::Checksum(expected.algorithm),
                expected: hex::encode(&expected.value),
                actual: hex::encode(&actual.value),
            }),
            _ => Ok(()),
        }
    }
}

impl Objects {
    /// Begins to write an object. Nothing is seen of it before [`PutWriter::finish`] returns, and nothing
    /// stays of it if the writer is dropped.
    pub fn begin_put(&self, bucket: &str, key: &str, options: PutOptions) -> Result<PutWriter, ObjectError> {
        check_key(key)?;
        self.bucket(bucket)?;
        let algorithm = options.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        Ok(PutWriter {
            content: Content::new(self, algorithm),
            name: ObjectName::new(bucket, key),
            options,
        })
    }

    /// Writes a whole object.
    pub async fn put_bytes(
        &self,
        bucket: &str,
        key: &str,
        content: Bytes,
        options: PutOptions,
    ) -> Result<ObjectInfo, ObjectError> {
        let mut writer = self.begin_put(bucket, key, options)?;
        writer.write(content).await?;
        writer.finish(Expected::default()).await
    }

    /// Replaces an object's tags.
    pub async fn set_object_tags(&self, bucket: &str, key: &str, tags: Tags) -> Result<(), ObjectError> {
        let name = ObjectName::new(bucket, key);
        self.bucket(bucket)?;
        self.0
            .meta
            .write(move |tx| {
                let mut stored = tx.get(&OBJECTS, &name)?.ok_or_else(|| no_such_key(&name))?;
                stored.tags = tags;
                Ok(tx.put(&OBJECTS, &name, &stored)?)
            })
            .await
    }

    /// Makes what a transaction committed visible at its path, and leaves the rest to settling.
    pub(crate) async fn installed(&self, name: ObjectName, id: String, discard: Vec<String>) {
        let outcome = self
            .blocking({
                let name = name.clone();
                move |store| {
                    let outcome = store.install(&name);
                    discard.iter().for_each(|id| store.discard_staged(id));
                    outcome
                }
            })
            .await;
        if let Err(error) = outcome {
            // The write has happened: readers find the file in the staging directory until settling gets
            // it to its path.
            tracing::warn!(%error, bucket = name.bucket, key = name.key(), "an object is not at its path yet");
        }
        self.0.settler.push(name, id);
    }
}

/// An object on its way in.
pub struct PutWriter {
    content: Content,
    name: ObjectName,
    options: PutOptions,
}

impl PutWriter {
    /// Takes the next bytes of the content; waits while the disk is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.content.write(bytes).await
    }

    /// Checks the content and the condition and makes it the object, durably.
    pub async fn finish(self, expected: Expected) -> Result<ObjectInfo, ObjectError> {
        let Self { content, name, options } = self;
        let objects = content.objects.clone();
        let finished = content.finish(&expected).await?;
        let write = Write {
            size: finished.size,
            etag: hex::encode(finished.md5),
            headers: options.headers,
            user: options.user,
            tags: options.tags,
            checksum: Some(finished.checksum),
            parts: None,
            upload: None,
            condition: options.condition,
        };
        objects.commit(name, finished.staged, write, |_, _| Ok(())).await
    }
}

/// A part of a multipart upload on its way in.
pub struct PartWriter {
    content: Content,
    bucket: String,
    key: String,
    upload: String,
    number: u32,
}

impl PartWriter {
    pub(crate) fn new(
        objects: &Objects,
        algorithm: Algorithm,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
    ) -> Self {
        let content = Content::new(objects, algorithm);
        Self {
            content,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            upload: upload.to_owned(),
            number,
        }
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.content.write(bytes).await
    }

    /// Checks the content and makes it the part, in the place of an earlier part of that number.
    pub async fn finish(self, expected: Expected) -> Result<UploadPart, ObjectError> {
        let Self {
            content,
            bucket,
            key,
            upload,
            number,
        } = self;
        let objects = content.objects.clone();
        let tasks = objects.0.tasks.clone();
        let finished = content.finish(&expected).await?;
        let part = UploadPart {
            number,
            size: finished.size,
            etag: hex::encode(finished.md5),
            modified_ms: objects.0.clock.now_ms(),
            checksum: finished.checksum,
            id: finished.staged.id().to_owned(),
        };
        let staged = finished.staged;
        let work = async move {
            let id = staged.keep();
            let outcome = objects
                .0
                .meta
                .write(move |tx| put_part(tx, (bucket, key, upload), part))
                .await;
            objects
                .discard(
                    outcome
                        .as_ref()
                        .map_or_else(|e| not_kept(e, id), |(_, replaced)| replaced.clone()),
                )
                .await;
            outcome.map(|(part, _)| part)
        };
        tasks.spawn(work).await?
    }
}

/// Records the part and returns the file of the part that it replaces.
fn put_part(
    tx: &mut Tx<'_>,
    upload: UploadName,
    part: UploadPart,
) -> Result<(UploadPart, Option<String>), ObjectError> {
    if tx.get(&UPLOADS, &upload)?.is_none() {
        return Err(ObjectError::NoSuchUpload(upload.2));
    }
    let name = (upload.2, u64::from(part.number));
    let replaced = tx.get(&UPLOAD_PARTS, &name)?;
    tx.put(&UPLOAD_PARTS, &name, &part)?;
    Ok((part, replaced.map(|part| part.id)))
}

/// Hands content over to the blocking pool in large pieces, one piece ahead of the disk.
struct Content {
    objects: Objects,
    algorithm: Algorithm,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    /// The last piece being written; its result carries the sink.
    writing: Option<JoinHandle<Result<Sink, ObjectError>>>,
}

impl Content {
    fn new(objects: &Objects, algorithm: Algorithm) -> Self {
        Self {
            objects: objects.clone(),
            algorithm,
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= HANDOVER_BYTES {
            let sink = self.sink().await?;
            let chunks = std::mem::take(&mut self.gathered);
            self.gathered_bytes = 0;
            let (store, algorithm) = (self.objects.0.clone(), self.algorithm);
            self.writing = Some(self.objects.0.tasks.spawn_blocking(move || {
                let mut sink = sink.map_or_else(|| Sink::create(&store, algorithm), Ok)?;
                sink.write(&chunks)?;
                Ok(sink)
            }));
        }
        Ok(())
    }

    /// Waits for the piece before.
    async fn sink(&mut self) -> Result<Option<Sink>, ObjectError> {
        match self.writing.take() {
            Some(writing) => Ok(Some(writing.await??)),
            None => Ok(None),
        }
    }

    async fn finish(mut self, expected: &Expected) -> Result<Finished, ObjectError> {
        let sink = self.sink().await?;
        let (store, algorithm, chunks) = (self.objects.0.clone(), self.algorithm, self.gathered);
        let expected = expected.clone();
        let finishing = self.objects.0.tasks.spawn_blocking(move || {
            let mut sink = sink.map_or_else(|| Sink::create(&store, algorithm), Ok)?;
            sink.write(&chunks)?;
            let finished = sink.finish()?;
            expected.check(finished.md5, Some(&finished.checksum))?;
            Ok::<_, ObjectError>(finished)
        });
        finishing.await?
    }
}

/// What a write makes of a staged file.
pub(crate) struct Write {
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) headers: Headers,
    pub(crate) user: BTreeMap<String, String>,
    pub(crate) tags: Tags,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) parts: Option<u32>,
    /// The upload that the parts were of.
    pub(crate) upload: Option<String>,
    pub(crate) condition: Condition,
}

impl Objects {
    /// Makes a durable staged file the object: the commit point of every write. `more` joins the
    /// transaction, for what must become durable with the object.
    ///
    /// It runs in a task of its own, so that a caller that stops waiting cannot part the record from its file.
    pub(crate) async fn commit(
        &self,
        name: ObjectName,
        staged: StagedFile,
        write: Write,
        more: impl FnOnce(&mut Tx<'_>, &Stored) -> Result<(), ObjectError> + Send + 'static,
    ) -> Result<ObjectInfo, ObjectError> {
        let objects = self.clone();
        let work = async move {
            let id = staged.keep();
            let Write {
                size,
                etag,
                headers,
                user,
                tags,
                checksum,
                parts,
                upload,
                condition,
            } = write;
            let modified_ms = objects.0.clock.now_ms();
            let (path, staged) = (String::new(), true);
            let stored = Stored {
                id: id.clone(),
                path,
                staged,
                size,
                etag,
                modified_ms,
                headers,
                user,
                tags,
                checksum,
                parts,
                upload,
            };
            let outcome = objects
                .0
                .meta
                .write({
                    let (name, case) = (name.clone(), objects.0.case);
                    move |tx| {
                        let (stored, discard) = replace(tx, &name, case, stored, &condition)?;
                        more(tx, &stored)?;
                        Ok::<_, ObjectError>((stored, discard))
                    }
                })
                .await;
            let (stored, discard) = match outcome {
                Ok(done) => done,
                Err(error) => {
                    objects.discard(not_kept(&error, id)).await;
                    return Err(error);
                }
            };
            let key = name.key();
            objects.installed(name, id, discard).await;
            Ok(stored.into_info(key))
        };
        self.0.tasks.spawn(work).await?
    }

    /// Removes staged files that no record names.
    pub(crate) async fn discard(&self, ids: impl IntoIterator<Item = String>) {
        let ids: Vec<_> = ids.into_iter().collect();
        if ids.is_empty() {
            return;
        }
        let work = self.blocking(move |store| {
            ids.iter().for_each(|id| store.discard_staged(id));
            Ok(())
        });
        // What stays is removed when the store is opened again.
        work.await.ok();
    }
}

/// The staged file of a refused write. Where the metadata store itself failed it stays, lest a record names it.
fn not_kept(error: &ObjectError, id: String) -> Option<String> {
    match error {
        ObjectError::Meta(_) | ObjectError::Closed => None,
        _ => Some(id),
    }
}

/// Puts `stored` in the place of what is there and returns it with its path, and the staged files to drop.
fn replace(
    tx: &mut Tx<'_>,
    name: &ObjectName,
    case: Case,
    mut stored: Stored,
    condition: &Condition,
) -> Result<(Stored, Vec<String>), ObjectError> {
    if tx.get(&BUCKETS, &(name.bucket.clone(),))?.is_none() {
        return Err(ObjectError::NoSuchBucket(name.bucket.clone()));
    }
    let there = tx.get(&OBJECTS, name)?;
    condition.check(name, there.as_ref())?;
    stored.path = match &there {
        Some(there) => there.path.clone(),
        None => free_path(tx, case, name)?,
    };
    let mut remove = tx
        .get(&UNSETTLED, name)?
        .map(|unsettled| unsettled.remove)
        .unwrap_or_default();
    remove.retain(|path| *path != stored.path);
    tx.put(
        &UNSETTLED,
        name,
        &Unsettled {
            id: stored.id.clone(),
            remove,
        },
    )?;
    tx.put(&OBJECTS, name, &stored)?;
    let mut discard = Vec::new();
    if let Some(there) = there {
        if there.parts.is_some() {
            tx.delete_prefix(&OBJECT_PARTS, &(there.id.clone(),))?;
        }
        if there.staged {
            discard.push(there.id);
        }
    }
    Ok((stored, discard))
}

/// A path whose file is in no other object's way: where one key continues another, one of the two is marked.
fn free_path(tx: &Tx<'_>, case: Case, name: &ObjectName) -> Result<String, ObjectError> {
    let key = name.key();
    let below = format!("{key}/");
    let file_marked = !tx
        .scan(
            &OBJECTS,
            &KeyPrefix {
                bucket: &name.bucket,
                prefix: &below,
            },
            None,
            1,
        )?
        .is_empty();
    let mut failed = None;
    let path = key_path::encode(&key, case, file_marked, |prefix| {
        match tx.get(&OBJECTS, &ObjectName::new(&name.bucket, prefix)) {
            Ok(there) => there.is_some_and(|there| !there.path.ends_with("%o")),
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    failed.map_or(Ok(path), |error| Err(error.into()))
}

pub(crate) fn check_key(key: &str) -> Result<(), ObjectError> {
    match key.len() {
        0 => Err(ObjectError::KeyEmpty),
        length if length > KEY_BYTES_MAX => Err(ObjectError::KeyTooLong { length }),
        _ => Ok(()),
    }
}

pub(crate) fn no_such_key(name: &ObjectName) -> ObjectError {
    ObjectError::NoSuchKey {
        bucket: name.bucket.clone(),
        key: name.key(),
    }
}

/// MD5 of the parts' MD5s, a dash and their number (S3 User Guide, "Checking object integrity"). A part is its
/// number and its ETag.
pub(crate) fn multipart_etag<'p>(parts: impl ExactSizeIterator<Item = (u32, &'p str)>) -> Result<String, ObjectError> {
    let count = parts.len();
    let mut all = Vec::with_capacity(count * 16);
    for (number, etag) in parts {
        all.extend(hex::decode(etag).map_err(|_| ObjectError::InvalidPart { number })?);
    }
    Ok(format!("{}-{count}", hex::encode(md5(&all))))
}
