//! Multipart uploads: parts are staged files that completing puts one behind the other.

use std::collections::BTreeMap;
use std::fs::File;

use store_meta::Read;

use crate::digest::checksum;
use crate::error::Context;
use crate::put::{Write, check_key, multipart_etag};
use crate::record::{OBJECT_PARTS, ObjectName, UPLOAD_PARTS, UPLOADS, UploadName};
use crate::staging::StagedFile;
use crate::{
    Algorithm, Checksum, Condition, Digest, Headers, ObjectError, ObjectInfo, ObjectPart, Objects, PART_BYTES_MIN,
    PartWriter, Tags, Upload, UploadPart,
};

/// What the object will be, said before its content.
#[derive(Debug, Clone, Default)]
pub struct UploadOptions {
    pub headers: Headers,
    pub user: BTreeMap<String, String>,
    pub tags: Tags,
    /// The checksum that parts and object have; CRC64NVME where none is declared, as S3 does.
    pub algorithm: Option<Algorithm>,
    /// Makes the object's checksum the checksum of its parts' checksums.
    pub composite: bool,
}

/// A part as the caller of complete names it.
#[derive(Debug, Clone)]
pub struct CompletePart {
    pub number: u32,
    /// Without quotes.
    pub etag: String,
    pub checksum: Option<Checksum>,
}

/// What completing asks for.
#[derive(Debug, Clone, Default)]
pub struct CompleteUpload {
    pub parts: Vec<CompletePart>,
    pub condition: Condition,
    /// The checksum that the caller expects the object to have.
    pub checksum: Option<Checksum>,
    /// The size that the caller expects the object to have.
    pub size: Option<u64>,
}

/// Which uploads to list, by key and then by id.
#[derive(Debug, Clone, Default)]
pub struct UploadsQuery {
    pub prefix: String,
    pub key_marker: Option<String>,
    /// Within the key of the key marker.
    pub upload_marker: Option<String>,
    pub delimiter: Option<String>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct UploadsPage {
    /// Key, upload id, upload.
    pub uploads: Vec<(String, String, Upload)>,
    pub common_prefixes: Vec<String>,
    /// Where there is more: the markers of the next page.
    pub next: Option<(String, Option<String>)>,
}

impl Objects {
    /// Begins a multipart upload and returns its id.
    pub async fn create_upload(&self, bucket: &str, key: &str, options: UploadOptions) -> Result<String, ObjectError> {
        check_key(key)?;
        self.bucket(bucket)?;
        let upload = Upload {
            initiated_ms: self.0.clock.now_ms(),
            headers: options.headers,
            user: options.user,
            tags: options.tags,
            algorithm: options.algorithm,
            composite: options.composite,
        };
        let id = self.0.fresh_id();
        let name = (bucket.to_owned(), key.to_owned(), id.clone());
        self.0
            .meta
            .write(move |tx| tx.put(&UPLOADS, &name, &upload))
            .await
            .map_err(ObjectError::from)?;
        Ok(id)
    }

    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, ObjectError> {
        self.bucket(bucket)?;
        let name = upload_name(bucket, key, id);
        let found = self.0.meta.read(|s| s.get(&UPLOADS, &name))?;
        found.ok_or_else(|| ObjectError::NoSuchUpload(id.to_owned()))
    }

    /// Begins to write part `number`, 1 to 10,000.
    pub fn begin_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: u32,
        algorithm: Option<Algorithm>,
    ) -> Result<PartWriter, ObjectError> {
        let upload = self.upload(bucket, key, id)?;
        let algorithm = upload.algorithm.or(algorithm).unwrap_or(Algorithm::Crc64Nvme);
        Ok(PartWriter::new(self, algorithm, bucket, key, id, number))
    }

    /// At most `limit` parts with numbers above `after`.
    pub fn upload_parts(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        after: u32,
        limit: usize,
    ) -> Result<Vec<UploadPart>, ObjectError> {
        self.upload(bucket, key, id)?;
        let after = (id.to_owned(), u64::from(after));
        let parts = self
            .0
            .meta
            .read(|s| s.scan(&UPLOAD_PARTS, &(id.to_owned(),), Some(&after), limit))?;
        Ok(parts.into_iter().map(|(_, part)| part).collect())
    }

    /// One page of the uploads under way in a bucket.
    pub async fn uploads(&self, bucket: &str, query: UploadsQuery) -> Result<UploadsPage, ObjectError> {
        self.bucket(bucket)?;
        let bucket = bucket.to_owned();
        self.blocking(move |store| Ok(store.meta.read(|s| list_uploads(s, &bucket, &query))?))
            .await
    }

    /// Drops an upload and its parts.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), ObjectError> {
        self.bucket(bucket)?;
        let (objects, name) = (self.clone(), upload_name(bucket, key, id));
        // In a task of its own: the parts must go even if the caller stops waiting.
        let work = async move {
            let dropping = objects.0.meta.write(move |tx| {
                if !tx.delete(&UPLOADS, &name)? {
                    return Err(ObjectError::NoSuchUpload(name.2));
                }
                let parts = tx.scan(&UPLOAD_PARTS, &(name.2.clone(),), None, usize::MAX)?;
                tx.delete_prefix(&UPLOAD_PARTS, &(name.2,))?;
                Ok(parts.into_iter().map(|(_, part)| part.id).collect::<Vec<_>>())
            });
            objects.discard(dropping.await?).await;
            Ok(())
        };
        self.0.tasks.spawn(work).await?
    }

    /// Makes the named parts the object, in one step for every reader. A call that comes while another completes
    /// the upload, or after it, gets what that one gets.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        complete: CompleteUpload,
    ) -> Result<ObjectInfo, ObjectError> {
        let (objects, name) = (self.clone(), upload_name(bucket, key, id));
        // In a task of its own: copying takes long, and a caller who stops waiting for it comes again.
        let work = async move {
            let _completing = objects.0.complete_lock(&name.2).lock().await;
            match objects.upload(&name.0, &name.1, &name.2) {
                Ok(upload) => objects.complete(name, upload, complete).await,
                Err(ObjectError::NoSuchUpload(_)) => objects.completed(name, &complete.parts),
                Err(error) => Err(error),
            }
        };
        self.0.tasks.spawn(work).await?
    }

    async fn complete(
        &self,
        name: UploadName,
        upload: Upload,
        complete: CompleteUpload,
    ) -> Result<ObjectInfo, ObjectError> {
        let (bucket, key, id) = &name;
        let object = ObjectName::new(bucket, key);
        let all = self.upload_parts(bucket, key, id, 0, usize::MAX)?;
        let parts = choose_parts(&upload, &all, &complete.parts)?;
        let size = parts.iter().map(|part| part.size).sum();
        if let Some(expected) = complete.size.filter(|expected| *expected != size) {
            return Err(ObjectError::SizeMismatch { expected, actual: size });
        }
        let object_checksum = combine_checksums(&upload, &parts);
        if let (Some(expected), Some(actual)) = (&complete.checksum, &object_checksum)
            && (expected.algorithm != actual.algorithm || expected.value != actual.value)
        {
            return Err(ObjectError::DigestMismatch {
                what: Digest::Checksum(expected.algorithm),
                expected: hex::encode(&expected.value),
                actual: hex::encode(&actual.value),
            });
        }
        // The transaction checks it again; here it saves the copying.
        complete.condition.check(&object, self.0.stored(&object)?.as_ref())?;
        let etag = multipart_etag(parts.iter().map(|part| (part.number, part.etag.as_str())))?;
        let staged = self.join(parts.clone()).await?;
        let write = Write {
            size,
            etag,
            headers: upload.headers,
            user: upload.user,
            tags: upload.tags,
            checksum: object_checksum,
            parts: Some(parts.len() as u32),
            upload: Some(id.clone()),
            condition: complete.condition,
        };
        let keep_part_checksums = upload.algorithm.is_some();
        let info = self
            .commit(object, staged, write, move |tx, stored| {
                if !tx.delete(&UPLOADS, &name)? {
                    return Err(ObjectError::NoSuchUpload(name.2));
                }
                for part in parts {
                    let part_name = (name.2.clone(), u64::from(part.number));
                    if tx.get(&UPLOAD_PARTS, &part_name)?.is_none_or(|now| now.id != part.id) {
                        return Err(ObjectError::InvalidPart { number: part.number });
                    }
                    let checksum = keep_part_checksums.then_some(part.checksum);
                    let kept = ObjectPart {
                        number: part.number,
                        size: part.size,
                        checksum,
                    };
                    tx.put(&OBJECT_PARTS, &(stored.id.clone(), u64::from(part.number)), &kept)?;
                }
                tx.delete_prefix(&UPLOAD_PARTS, &(name.2,))?;
                Ok(())
            })
            .await?;
        self.discard(all.into_iter().map(|part| part.id)).await;
        Ok(info)
    }

    /// What an earlier call has made of the upload, where it named the same parts and the object is still that.
    fn completed(&self, name: UploadName, named: &[CompletePart]) -> Result<ObjectInfo, ObjectError> {
        let (bucket, key, id) = name;
        let etag = multipart_etag(named.iter().map(|part| (part.number, part.etag.as_str())));
        let stored = self.0.stored(&ObjectName::new(&bucket, &key))?;
        let made = stored.filter(|stored| {
            stored.upload.as_ref() == Some(&id) && etag.as_ref().is_ok_and(|etag| *etag == stored.etag)
        });
        made.map(|stored| stored.into_info(key))
            .ok_or(ObjectError::NoSuchUpload(id))
    }

    /// Copies the parts' content to a new file, one behind the other.
    async fn join(&self, parts: Vec<UploadPart>) -> Result<StagedFile, ObjectError> {
        let store = self.0.clone();
        let joining = self.0.tasks.spawn_blocking(move || {
            let mut staged = StagedFile::create(&store)?;
            for part in parts {
                let path = store.staged(&part.id);
                match File::open(&path) {
                    Ok(file) => staged.append(&file, 0..part.size)?,
                    // It was replaced or the upload ended since the parts were read.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(ObjectError::InvalidPart { number: part.number });
                    }
                    Err(error) => return Err(error).context(|| format!("opening {}", path.display())),
                }
            }
            staged.sync()?;
            Ok(staged)
        });
        joining.await?
    }
}

fn upload_name(bucket: &str, key: &str, id: &str) -> UploadName {
    (bucket.to_owned(), key.to_owned(), id.to_owned())
}

/// The uploaded parts that the caller names, checked by the rules of CompleteMultipartUpload.
fn choose_parts(upload: &Upload, all: &[UploadPart], named: &[CompletePart]) -> Result<Vec<UploadPart>, ObjectError> {
    if named.is_empty() {
        return Err(ObjectError::NoParts);
    }
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(ObjectError::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(named.len());
    for named in named {
        let invalid = || ObjectError::InvalidPart { number: named.number };
        let at = all
            .binary_search_by_key(&named.number, |part| part.number)
            .map_err(|_| invalid())?;
        let part = &all[at];
        if part.etag != named.etag
            || named
                .checksum
                .as_ref()
                .is_some_and(|checksum| *checksum != part.checksum)
        {
            return Err(invalid());
        }
        if let Some(algorithm) = upload
            .algorithm
            .filter(|_| upload.composite && named.checksum.is_none())
        {
            return Err(ObjectError::PartWithoutChecksum {
                number: named.number,
                algorithm,
            });
        }
        parts.push(part.clone());
    }
    if let [but_last @ .., _] = parts.as_slice()
        && let Some(small) = but_last.iter().find(|part| part.size < PART_BYTES_MIN)
    {
        return Err(ObjectError::PartTooSmall {
            number: small.number,
            size: small.size,
            etag: small.etag.clone(),
        });
    }
    Ok(parts)
}

/// The object's checksum out of its parts'; `None` where the parts' differ in kind.
fn combine_checksums(upload: &Upload, parts: &[UploadPart]) -> Option<Checksum> {
    let algorithm = parts.first()?.checksum.algorithm;
    if parts.iter().any(|part| part.checksum.algorithm != algorithm) {
        return None;
    }
    if upload.composite || !algorithm.combines() {
        let all: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.checksum.value.iter().copied())
            .collect();
        return Some(Checksum {
            algorithm,
            value: checksum(algorithm, &all),
            composite_of: Some(parts.len() as u32),
        });
    }
    let mut parts = parts.iter();
    let first = parts.next()?.checksum.value.clone();
    let value = parts.try_fold(first, |value, part| {
        algorithm.combine(&value, &part.checksum.value, part.size)
    })?;
    Some(Checksum::full(algorithm, value))
}

fn list_uploads(
    snapshot: &impl Read,
    bucket: &str,
    query: &UploadsQuery,
) -> Result<UploadsPage, store_meta::MetaError> {
    let mut page = UploadsPage::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let mut last = None;
    snapshot.visit(&UPLOADS, &(bucket.to_owned(),), None, |(_, key, id), upload| {
        if !key.starts_with(&query.prefix) {
            return key < query.prefix;
        }
        let common = delimiter.and_then(|d| {
            let at = key[query.prefix.len()..].find(d)?;
            Some(key[..query.prefix.len() + at + d.len()].to_owned())
        });
        let behind = match (&query.key_marker, &query.upload_marker) {
            (None, _) => true,
            (Some(marker), _) if common.as_ref() == Some(marker) => false,
            (Some(marker), Some(upload)) if key == *marker => id > *upload,
            (Some(marker), _) => key > *marker,
        };
        if !behind || common.is_some() && common.as_ref() == page.common_prefixes.last() {
            return true;
        }
        if page.uploads.len() + page.common_prefixes.len() == query.limit {
            page.next = last.take();
            return false;
        }
        match common {
            Some(common) => {
                last = Some((common.clone(), None));
                page.common_prefixes.push(common);
            }
            None => {
                last = Some((key.clone(), Some(id.clone())));
                page.uploads.push((key, id, upload));
            }
        }
        true
    })?;
    Ok(page)
}
