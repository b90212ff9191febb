//! The object store as DataFusion reads it, and the listing of tables' files.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base::Scope;
use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use store_objects::{ListPage, ObjectError, ObjectInfo, ObjectReader, Objects};

use crate::{ErrorKind, SqlError};

/// Where a table's or partition's files are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) bucket: String,
    /// Empty, or a key prefix that ends with a slash.
    pub(crate) prefix: String,
}

impl Location {
    /// `s3://bucket/some/prefix/`; `s3a` and `s3n` are Hadoop's names for the same.
    pub(crate) fn parse(url: &str) -> std::result::Result<Self, SqlError> {
        let rest = ["s3://", "s3a://", "s3n://"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let (bucket, prefix) = match rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
            Some((bucket, prefix)) if !bucket.is_empty() => (bucket, prefix),
            _ => {
                return Err(SqlError::user(format!(
                    "HIVE_METASTORE_ERROR: the location {url:?} is not an s3:// path"
                )));
            }
        };
        let slash = if prefix.is_empty() || prefix.ends_with('/') {
            ""
        } else {
            "/"
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{slash}"),
        })
    }
}

/// A file of a table.
pub(crate) struct DataFile {
    pub(crate) meta: ObjectMeta,
}

/// Reads on behalf of one statement: only what its account owns, and of each file only the content that was listed.
#[derive(Clone)]
pub(crate) struct LakeObjects {
    objects: Objects,
    scope: Scope,
    /// Of each file that was listed, the id of the write that made it.
    listed: Arc<Mutex<HashMap<Path, String>>>,
}

/// How many objects one look at the listing takes.
const OBJECTS_PER_PAGE: usize = 1_000;

impl LakeObjects {
    pub(crate) fn new(objects: Objects, scope: Scope) -> Self {
        Self {
            objects,
            scope,
            listed: Arc::default(),
        }
    }

    /// Whether the statement's account owns the bucket.
    fn owns(&self, bucket: &str) -> std::result::Result<bool, ObjectError> {
        Ok(self.objects.bucket(bucket)?.owner.account == self.scope.account)
    }

    pub(crate) async fn list_page(
        &self,
        location: &Location,
        after: Option<&str>,
        limit: usize,
    ) -> std::result::Result<ListPage, SqlError> {
        match self.owns(&location.bucket) {
            Ok(true) => {}
            Ok(false) => {
                let Location { bucket, prefix } = location;
                return Err(SqlError::user(format!(
                    "PERMISSION_DENIED: Permission denied on S3 path: s3://{bucket}/{prefix}"
                )));
            }
            Err(error) => return Err(object_error(&error, location)),
        }
        self.objects
            .list(&location.bucket, &location.prefix, after, limit)
            .await
            .map_err(|error| object_error(&error, location))
    }

    /// All the files under a location, in order of their keys. Empty ones, and those with a name that begins
    /// with `_` or `.` anywhere below the location, are left out, as in Hive.
    pub(crate) async fn files(&self, location: &Location) -> std::result::Result<Vec<DataFile>, SqlError> {
        let mut files = Vec::new();
        let mut after = None;
        loop {
            let page = self.list_page(location, after.as_deref(), OBJECTS_PER_PAGE).await?;
            let shown = page
                .objects
                .iter()
                .filter(|object| object.size > 0 && !is_hidden(&object.key[location.prefix.len()..]));
            for object in shown {
                let meta = object_meta(
                    encode_path(&location.bucket, &object.key).map_err(|e| SqlError::internal(e.to_string()))?,
                    object,
                );
                let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
                listed.entry(meta.location.clone()).or_insert_with(|| object.id.clone());
                files.push(DataFile { meta });
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(files),
            }
        }
    }
}

/// Whether a file or a directory on the way to it has a name that Hive passes over.
pub(crate) fn is_hidden(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with(['_', '.']))
}

fn object_error(error: &ObjectError, location: &Location) -> SqlError {
    match error {
        ObjectError::NoSuchBucket(bucket) => SqlError::user(format!(
            "PERMISSION_DENIED: the bucket {bucket} of s3://{bucket}/{} does not exist",
            location.prefix
        )),
        other => SqlError::new(ErrorKind::Internal, other.to_string()),
    }
}

fn object_meta(location: Path, info: &ObjectInfo) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: DateTime::from_timestamp_millis(info.modified_ms).unwrap_or_default(),
        size: info.size,
        // Unlike an ETag, the id of a write is never another write's. The cache of Parquet metadata looks at size and
        // time only; that what is read then is what was listed is checked against the ids in `LakeObjects`.
        e_tag: Some(info.id.clone()),
        version: None,
    }
}

/// What a path must not hold as it is; the slash is treated apart.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// `bucket/key`, reversibly: a path has no empty, `.` or `..` segments, and a key may. A slash that would make
/// an empty segment is written as a code.
fn encode_path(bucket: &str, key: &str) -> Result<Path> {
    let bytes = key.as_bytes();
    let inside = |at: usize| {
        at.checked_sub(1)
            .and_then(|at| bytes.get(at))
            .is_some_and(|b| *b != b'/')
    };
    let separates = |at: usize| inside(at) && bytes.get(at + 1).is_some_and(|b| *b != b'/');
    let mut escaped = String::with_capacity(key.len());
    for (at, piece) in key
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([key.len()])
        .scan(0, |from, at| {
            let piece = (at, &key[*from..at]);
            *from = at + 1;
            Some(piece)
        })
    {
        escaped.extend(utf8_percent_encode(piece, ESCAPED));
        if at < key.len() {
            escaped.push_str(if separates(at) { "/" } else { "%2F" });
        }
    }
    let mut path = bucket.to_owned();
    for segment in escaped.split('/') {
        path.push('/');
        path.push_str(match segment {
            "." => "%2E",
            ".." => "%2E%2E",
            segment => segment,
        });
    }
    Ok(Path::parse(&path)?)
}

/// The reverse of [`encode_path`].
fn decode_path(path: &Path) -> Option<(String, String)> {
    let (bucket, key) = path.as_ref().split_once('/')?;
    Some((
        bucket.to_owned(),
        percent_decode_str(key).decode_utf8().ok()?.into_owned(),
    ))
}

/// The bytes that a query has read, and the most that it may read.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    read_bytes: AtomicU64,
    read_bytes_max: Option<u64>,
}

impl Meter {
    pub(crate) fn new(read_bytes_max: Option<u64>) -> Self {
        Self {
            read_bytes: AtomicU64::new(0),
            read_bytes_max,
        }
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Counts bytes that are about to be read, or tells why they must not be.
    fn count(&self, bytes: u64) -> std::result::Result<(), SqlError> {
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.cut_off().map_or(Ok(()), Err)
    }

    /// Why the query has to end, if it wanted more than it may read.
    pub(crate) fn cut_off(&self) -> Option<SqlError> {
        let max = self.read_bytes_max.filter(|max| self.read_bytes() > *max)?;
        let message = format!("Bytes scanned limit was exceeded: {max} bytes");
        Some(SqlError::new(ErrorKind::CutOff, message))
    }
}

/// One query's view of its account's buckets, which counts the bytes that it reads.
#[derive(Clone)]
pub(crate) struct CountingStore {
    lake: LakeObjects,
    meter: Arc<Meter>,
}

impl CountingStore {
    pub(crate) fn new(lake: LakeObjects, meter: Arc<Meter>) -> Self {
        Self { lake, meter }
    }

    async fn open(&self, location: &Path) -> Result<ObjectReader> {
        let (bucket, key) = decode_path(location).ok_or_else(|| not_found(location, "it is no key of ours"))?;
        let unopened = |error: ObjectError| match error {
            ObjectError::NoSuchBucket(_) | ObjectError::NoSuchKey { .. } => not_found(location, error),
            other => failed(other),
        };
        if !self.lake.owns(&bucket).map_err(unopened)? {
            return Err(Error::PermissionDenied {
                path: location.to_string(),
                source: "the bucket belongs to another account".into(),
            });
        }
        let reader = self.lake.objects.open_object(&bucket, &key).await.map_err(unopened)?;
        let listed = self.lake.listed.lock().unwrap_or_else(PoisonError::into_inner);
        match listed.get(location) {
            Some(id) if *id != reader.info().id => Err(Error::Precondition {
                path: location.to_string(),
                source: "the object was replaced while the query ran".into(),
            }),
            _ => Ok(reader),
        }
    }

    async fn read(&self, reader: &ObjectReader, range: Range<u64>) -> Result<Bytes> {
        let end = range.end.min(reader.info().size);
        self.meter
            .count(end.saturating_sub(range.start))
            .map_err(|error| Error::Generic {
                store: "catchment",
                source: Box::new(error),
            })?;
        reader.read_range(range).await.map_err(failed)
    }
}

fn not_found(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::NotFound {
        path: path.to_string(),
        source: source.into(),
    }
}

fn failed(error: ObjectError) -> Error {
    Error::Generic {
        store: "catchment",
        source: Box::new(error),
    }
}

fn read_only() -> Error {
    Error::NotImplemented {
        operation: "write".into(),
        implementer: "CountingStore".into(),
    }
}

/// Bytes that a streamed read takes at once.
const PIECE_BYTES: u64 = 1 << 20;

#[async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let reader = self.open(location).await?;
        let meta = object_meta(location.clone(), reader.info());
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|e| Error::Generic {
                store: "catchment",
                source: Box::new(e),
            })?,
            None => 0..meta.size,
        };
        let payload = if options.head {
            futures::stream::empty().boxed()
        } else {
            let (store, end) = (self.clone(), range.end);
            futures::stream::try_unfold(range.start, move |at| {
                let (store, reader) = (store.clone(), reader.clone());
                async move {
                    if at >= end {
                        return Ok(None);
                    }
                    let to = end.min(at + PIECE_BYTES);
                    Ok(Some((store.read(&reader, at..to).await?, to)))
                }
            })
            .boxed()
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Attributes::new(),
        })
    }

    /// Opens the object once for all ranges.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let reader = self.open(location).await?;
        let mut pieces = Vec::with_capacity(ranges.len());
        for range in ranges {
            pieces.push(self.read(&reader, range.clone()).await?);
        }
        Ok(pieces)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| Err(read_only())).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        // Tables list their files through the engine, which knows locations.
        futures::stream::once(async { Err(read_only()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(read_only())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("catchment")
    }
}

impl fmt::Debug for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountingStore")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_path_of_its_own() {
        let keys = [
            "a", "a/b", "a//b", "/a", "//", "a/", "./../.", "a%2Fb", "a b/ü?*", "a/\u{1}b", "%", "a///b//",
        ];
        let mut paths = std::collections::BTreeSet::new();
        for key in keys {
            let path = encode_path("lake", key).expect(key);
            assert_eq!(decode_path(&path), Some(("lake".to_owned(), key.to_owned())), "{path}");
            assert!(paths.insert(path.to_string()));
        }
    }

    #[test]
    fn locations() {
        let location = |bucket: &str, prefix: &str| Location {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        assert_eq!(Location::parse("s3://lake").unwrap(), location("lake", ""));
        assert_eq!(Location::parse("s3a://lake/a/b").unwrap(), location("lake", "a/b/"));
        assert!(Location::parse("hdfs://lake/a").is_err());
        assert!(is_hidden("year=2013/_temporary/x") && is_hidden(".x") && !is_hidden("year=2013/x_1"));
    }
}
