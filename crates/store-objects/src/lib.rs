//! Buckets and objects as plain files on local disk.
//!
//! The file of object `key` in `bucket` is `<dir>/<bucket>/<path of key>`, where [`Objects::key_of`] is the way
//! back; what S3 knows about it besides its bytes is in the metadata store. An object is written in three
//! steps: its file is made durable under a fresh name in the staging directory; one metadata transaction
//! checks the conditions and makes it the object; the file is renamed to its path. The transaction is the
//! commit point: readers and recovery follow it, whichever of the two places the file is in. The formats and
//! the argument are in docs/formats/objects.md.

mod bucket;
mod copy;
mod delete;
mod digest;
mod error;
mod key_path;
mod list;
mod multipart;
mod put;
mod read;
mod record;
mod remote;
mod settle;
mod staging;
mod store;
#[cfg(test)]
mod tests;

pub use copy::CopyOptions;
pub use digest::{Algorithm, Checksum, checksum};
pub use error::{Digest, KEY_BYTES_MAX, ObjectError, PART_BYTES_MIN, WRITE_BYTES_MAX};
pub use list::{ListPage, ListQuery};
pub use multipart::{CompletePart, CompleteUpload, UploadOptions, UploadsPage, UploadsQuery};
pub use put::{Condition, EtagMatch, Expected, PartWriter, PutOptions, PutWriter};
pub use read::{ByteRange, ObjectReader};
pub use record::{BucketInfo, Headers, ObjectInfo, ObjectPart, Tags, Upload, UploadPart};
pub use remote::{Remote, RemoteError};
pub use store::Objects;
