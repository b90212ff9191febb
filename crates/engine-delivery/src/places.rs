//! Where objects are written: buckets of ours, and those of somebody else that the settings name.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::AccountId;
use bytes::Bytes;
use engine_formats::Compression;
use store_objects::{Headers, ObjectError, Objects, PutOptions, Remote, RemoteError};

/// Buckets by name. A bucket of somebody else hides one of ours that is called the same.
#[derive(Clone)]
pub(crate) struct Places {
    objects: Objects,
    remote: Arc<BTreeMap<String, Remote>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(transparent)]
    Ours(#[from] ObjectError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("the bucket {0:?} belongs to another account")]
    Foreign(String),
}

impl PlaceError {
    /// Whether no object of that name or size can be had there, so that no other attempt would end otherwise.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Ours(ObjectError::KeyTooLong { .. } | ObjectError::KeyEmpty | ObjectError::TooLarge { .. })
                | Self::Remote(RemoteError::Invalid(_))
        )
    }
}

impl Places {
    pub(crate) fn new(objects: Objects, remote: Arc<BTreeMap<String, Remote>>) -> Self {
        Self { objects, remote }
    }

    /// Fails where the account may not write.
    pub(crate) fn check_owner(&self, bucket: &str, account: &AccountId) -> Result<(), PlaceError> {
        // Whoever wrote the settings gave the keys for it to all accounts.
        if self.remote.contains_key(bucket) || self.objects.bucket(bucket)?.owner.account == *account {
            return Ok(());
        }
        Err(PlaceError::Foreign(bucket.to_owned()))
    }

    /// Writes an object, unless there is nothing to write, and returns its bytes. It is durable then.
    pub(crate) async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<u64, PlaceError> {
        self.put_compressed(bucket, key, content, Compression::None).await
    }

    /// The same of content that is compressed already, which readers are told.
    pub(crate) async fn put_compressed(
        &self,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
        compression: Compression,
    ) -> Result<u64, PlaceError> {
        let bytes = content.len() as u64;
        if bytes == 0 {
            return Ok(0);
        }
        let encoding = compression.content_encoding();
        match self.remote.get(bucket) {
            Some(remote) => remote.put(key, content.into(), encoding).await?,
            None => {
                let headers = Headers {
                    content_type: Some("application/octet-stream".into()),
                    content_encoding: encoding.map(str::to_owned),
                    ..Headers::default()
                };
                let options = PutOptions {
                    headers,
                    ..PutOptions::default()
                };
                self.objects
                    .put_bytes(bucket, key, Bytes::from(content), options)
                    .await?;
            }
        }
        Ok(bytes)
    }

    pub(crate) async fn exists(&self, bucket: &str, key: &str) -> Result<bool, PlaceError> {
        let found = match self.remote.get(bucket) {
            Some(remote) => return Ok(remote.exists(key).await?),
            None => self.objects.head(bucket, key),
        };
        match found {
            Ok(_) => Ok(true),
            Err(ObjectError::NoSuchKey { .. } | ObjectError::NoSuchBucket(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an object, if it is there.
    pub(crate) async fn delete(&self, bucket: &str, key: &str) -> Result<(), PlaceError> {
        match self.remote.get(bucket) {
            Some(remote) => remote.delete(key).await?,
            None => drop(self.objects.delete(bucket, key).await?),
        }
        Ok(())
    }
}
