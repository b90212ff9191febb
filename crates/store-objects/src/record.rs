//! What the metadata store keeps about buckets, objects and uploads.

use std::collections::BTreeMap;

use base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use store_meta::{Key, Keyspace};

use crate::{Algorithm, Checksum};

pub(crate) const BUCKETS: Keyspace<(String,), BucketInfo> = Keyspace::new("objects/buckets");
pub(crate) const OBJECTS: Keyspace<ObjectName, Stored> = Keyspace::new("objects/objects");
/// Objects whose file may not be at its path yet, and deleted ones whose file may still be there.
pub(crate) const UNSETTLED: Keyspace<ObjectName, Unsettled> = Keyspace::new("objects/unsettled");
/// The parts of multipart objects, by the object's file id and the part's number.
pub(crate) const OBJECT_PARTS: Keyspace<(String, u64), ObjectPart> = Keyspace::new("objects/parts");
/// By bucket, key and upload id.
pub(crate) const UPLOADS: Keyspace<UploadName, Upload> = Keyspace::new("objects/uploads");
/// By upload id and part number.
pub(crate) const UPLOAD_PARTS: Keyspace<(String, u64), UploadPart> = Keyspace::new("objects/upload-parts");

/// A bucket and a key. Unlike a pair of strings, its encoding can begin with a part of a key and can stand
/// behind every key with some prefix, which listing needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) bucket: String,
    /// UTF-8, but for the bound that [`ObjectName::behind_prefix`] makes.
    key: Vec<u8>,
}

impl ObjectName {
    pub(crate) fn new(bucket: &str, key: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.as_bytes().to_vec(),
        }
    }

    /// Comes behind every key that begins with `prefix` and before all others that come behind it.
    pub(crate) fn behind_prefix(bucket: &str, prefix: &str) -> Self {
        let mut name = Self::new(bucket, prefix);
        // No UTF-8 text has this byte.
        name.key.push(0xff);
        name
    }

    pub(crate) fn key(&self) -> String {
        String::from_utf8_lossy(&self.key).into_owned()
    }
}

impl Key for ObjectName {
    fn encode(&self, out: &mut Vec<u8>) {
        self.bucket.encode(out);
        encode_open(&self.key, out);
        out.extend([0, 0]);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let bucket = String::decode(bytes)?;
        let key = String::decode(bytes)?.into_bytes();
        Some(Self { bucket, key })
    }
}

/// As strings are encoded in keys, without the end.
fn encode_open(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        out.push(byte);
        if byte == 0 {
            out.push(1);
        }
    }
}

/// The keys of a bucket that begin with a prefix.
pub(crate) struct KeyPrefix<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
}

impl Key for KeyPrefix<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.bucket.to_owned().encode(out);
        encode_open(self.prefix.as_bytes(), out);
    }

    fn decode(_: &mut &[u8]) -> Option<Self> {
        None
    }
}

/// A bucket, a key and an upload id.
pub(crate) type UploadName = (String, String, String);

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketInfo {
    pub name: String,
    /// The owning account and the region it was created in.
    pub owner: Scope,
    pub created_ms: Millis,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    /// The CORS configuration as the service wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<String>,
}

pub type Tags = BTreeMap<String, String>;

/// The system metadata that S3 keeps for an object and gives back as headers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect_location: Option<String>,
    /// `None` is STANDARD. Kept and given back; all classes are stored alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// An object as readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub key: String,
    pub size: u64,
    /// Without quotes: MD5 in hex, or MD5 of the parts' MD5s, a dash and their number.
    pub etag: String,
    pub modified_ms: Millis,
    pub headers: Headers,
    /// User metadata; names without `x-amz-meta-`, in lower case.
    pub user: BTreeMap<String, String>,
    pub tags: Tags,
    pub checksum: Option<Checksum>,
    /// How many parts a multipart object was made of.
    pub parts: Option<u32>,
    /// Unlike every other write's, of this or any object.
    pub id: String,
}

/// One part of a multipart object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPart {
    pub number: u32,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Names the write, and its file as long as that is staged.
    pub(crate) id: String,
    /// Of the file within the bucket's directory.
    pub(crate) path: String,
    /// The file may still be in the staging directory.
    #[serde(default)]
    pub(crate) staged: bool,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified_ms: Millis,
    #[serde(default)]
    pub(crate) headers: Headers,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) user: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<u32>,
    /// The multipart upload that made it, so that completing it once more gets the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
}

impl Stored {
    pub(crate) fn into_info(self, key: String) -> ObjectInfo {
        let Self {
            id,
            size,
            etag,
            modified_ms,
            headers,
            user,
            tags,
            checksum,
            parts,
            ..
        } = self;
        ObjectInfo {
            key,
            size,
            etag,
            modified_ms,
            headers,
            user,
            tags,
            checksum,
            parts,
            id,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unsettled {
    /// Of the write that put it here, so that settling an older one leaves it be.
    pub(crate) id: String,
    /// Paths within the bucket where files of earlier, now deleted, writes may still be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remove: Vec<String>,
}

/// A multipart upload under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub initiated_ms: Millis,
    #[serde(default)]
    pub headers: Headers,
    #[serde(default)]
    pub user: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: Tags,
    /// The checksum that the upload declared, if it did.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// Whether the object's checksum is made of the parts' checksums rather than of the content.
    #[serde(default)]
    pub composite: bool,
}

/// A part that has been uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    pub number: u32,
    pub size: u64,
    /// MD5 in hex.
    pub etag: String,
    pub modified_ms: Millis,
    pub checksum: Checksum,
    /// Names the part's file in the staging directory.
    pub(crate) id: String,
}
