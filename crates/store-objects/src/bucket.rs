//! Buckets.

use base::{AccountId, Scope};
use store_meta::Read;

use crate::error::Context;
use crate::record::{BUCKETS, BucketInfo, KeyPrefix, OBJECTS, Tags, UNSETTLED, UPLOAD_PARTS, UPLOADS};
use crate::store::{prune_down, sync_dir};
use crate::{ObjectError, Objects};

impl Objects {
    /// Makes a bucket. Names are unique across all scopes.
    pub async fn create_bucket(&self, owner: &Scope, name: &str) -> Result<BucketInfo, ObjectError> {
        check_bucket_name(name)?;
        let made = name.to_owned();
        self.blocking(move |store| {
            let dir = store.bucket_dir(&made);
            std::fs::create_dir_all(&dir).context(|| format!("making {}", dir.display()))?;
            sync_dir(&store.dir)
        })
        .await?;
        let info = BucketInfo {
            name: name.to_owned(),
            owner: owner.clone(),
            created_ms: self.0.clock.now_ms(),
            tags: Tags::new(),
            cors: None,
        };
        self.0
            .meta
            .write(move |tx| {
                let key = (info.name.clone(),);
                if let Some(there) = tx.get(&BUCKETS, &key)? {
                    return Err(ObjectError::BucketExists {
                        name: there.name,
                        owner: there.owner,
                    });
                }
                tx.put(&BUCKETS, &key, &info)?;
                Ok(info)
            })
            .await
    }

    /// Removes a bucket that holds no objects, and the uploads under way in it.
    pub async fn delete_bucket(&self, name: &str) -> Result<(), ObjectError> {
        let (objects, bucket) = (self.clone(), name.to_owned());
        // In a task of its own: the files must go even if the caller stops waiting.
        let work = async move {
            let key = (bucket.clone(),);
            let removing = objects.0.meta.write(move |tx| {
                if !tx.delete(&BUCKETS, &key)? {
                    return Err(ObjectError::NoSuchBucket(key.0));
                }
                let all = KeyPrefix {
                    bucket: &key.0,
                    prefix: "",
                };
                if !tx.scan(&OBJECTS, &all, None, 1)?.is_empty() {
                    return Err(ObjectError::BucketNotEmpty(key.0));
                }
                let mut orphans = Vec::new();
                for ((_, _, upload), _) in tx.scan(&UPLOADS, &key, None, usize::MAX)? {
                    let parts = tx.scan(&UPLOAD_PARTS, &(upload.clone(),), None, usize::MAX)?;
                    orphans.extend(parts.into_iter().map(|(_, part)| part.id));
                    tx.delete_prefix(&UPLOAD_PARTS, &(upload,))?;
                }
                tx.delete_prefix(&UPLOADS, &key)?;
                let open = tx.scan(&UNSETTLED, &all, None, usize::MAX)?;
                Ok((orphans, open))
            });
            let (orphans, open) = removing.await?;
            let removing = objects.blocking(move |store| {
                for id in orphans {
                    store.discard_staged(&id);
                }
                for (object, _) in open {
                    store.install(&object)?;
                }
                prune_down(&store.bucket_dir(&bucket));
                Ok(())
            });
            removing.await
        };
        self.0.tasks.spawn(work).await?
    }

    pub fn bucket(&self, name: &str) -> Result<BucketInfo, ObjectError> {
        let found = self.0.meta.read(|s| s.get(&BUCKETS, &(name.to_owned(),)))?;
        found.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))
    }

    /// The buckets of an account, by name.
    pub fn buckets(&self, account: &AccountId) -> Result<Vec<BucketInfo>, ObjectError> {
        let all = self.0.meta.read(|s| s.scan(&BUCKETS, &(), None, usize::MAX))?;
        Ok(all
            .into_iter()
            .map(|(_, bucket)| bucket)
            .filter(|bucket| bucket.owner.account == *account)
            .collect())
    }

    /// Replaces the bucket's tags; none are an empty map.
    pub async fn set_bucket_tags(&self, name: &str, tags: Tags) -> Result<(), ObjectError> {
        self.change_bucket(name, |bucket| bucket.tags = tags).await
    }

    /// Replaces the bucket's CORS configuration, which is kept as the caller wrote it.
    pub async fn set_bucket_cors(&self, name: &str, cors: Option<String>) -> Result<(), ObjectError> {
        self.change_bucket(name, |bucket| bucket.cors = cors).await
    }

    async fn change_bucket(
        &self,
        name: &str,
        change: impl FnOnce(&mut BucketInfo) + Send + 'static,
    ) -> Result<(), ObjectError> {
        let key = (name.to_owned(),);
        self.0
            .meta
            .write(move |tx| {
                let found = tx.get(&BUCKETS, &key)?;
                let mut bucket = found.ok_or_else(|| ObjectError::NoSuchBucket(key.0.clone()))?;
                change(&mut bucket);
                Ok(tx.put(&BUCKETS, &key, &bucket)?)
            })
            .await
    }
}

/// The naming rules of general purpose buckets (S3 User Guide, "Bucket naming rules").
fn check_bucket_name(name: &str) -> Result<(), ObjectError> {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let reason = if !(3..=63).contains(&bytes.len()) {
        "it must have 3 to 63 characters"
    } else if !bytes.iter().all(|&b| alphanumeric(b) || b == b'.' || b == b'-') {
        "it may have lower-case letters, digits, dots and hyphens only"
    } else if !alphanumeric(bytes[0]) || !alphanumeric(bytes[bytes.len() - 1]) {
        "it must begin and end with a letter or a digit"
    } else if name.contains("..") {
        "it must not have two dots side by side"
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "it must not look like an IP address"
    } else if ["xn--", "sthree-", "amzn-s3-demo-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    {
        "it begins or ends with what Amazon S3 reserves"
    } else {
        return Ok(());
    };
    Err(ObjectError::InvalidBucketName {
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::check_bucket_name;

    #[test]
    fn names_follow_the_rules() {
        for name in ["abc", "lake", "a.b-c.9", "0123", &"x".repeat(63), "1.2.3.4.5"] {
            assert!(check_bucket_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "ab",
            "Lake",
            "la_ke",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "10.0.0.1",
            "xn--abc",
            "a-s3alias",
            "../x",
            "a/b",
        ] {
            assert!(check_bucket_name(name).is_err(), "{name}");
        }
        assert!(check_bucket_name(&"x".repeat(64)).is_err());
    }
}
