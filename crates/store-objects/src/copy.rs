//! Copying objects within the store.

use std::collections::BTreeMap;

use crate::put::{Write, check_key};
use crate::record::ObjectName;
use crate::staging::StagedFile;
use crate::{
    Algorithm, Condition, Expected, Headers, ObjectError, ObjectInfo, ObjectReader, Objects, PutOptions, Tags,
};

/// What a copy changes; `None` takes it from the source.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    pub metadata: Option<(Headers, BTreeMap<String, String>)>,
    pub tags: Option<Tags>,
    /// On the object at the destination.
    pub condition: Condition,
    pub algorithm: Option<Algorithm>,
}

impl Objects {
    /// Copies an open object. Its ETag stays where it is the MD5 of the content; that of a multipart object
    /// becomes it.
    pub async fn copy(
        &self,
        source: &ObjectReader,
        bucket: &str,
        key: &str,
        options: CopyOptions,
    ) -> Result<ObjectInfo, ObjectError> {
        check_key(key)?;
        self.bucket(bucket)?;
        let info = source.info().clone();
        let (headers, user) = options
            .metadata
            .unwrap_or_else(|| (info.headers.clone(), info.user.clone()));
        let tags = options.tags.unwrap_or_else(|| info.tags.clone());
        let same_checksum = info.checksum.as_ref().is_some_and(|checksum| {
            checksum.composite_of.is_none()
                && options
                    .algorithm
                    .is_none_or(|algorithm| algorithm == checksum.algorithm)
        });
        if info.parts.is_some() || !same_checksum {
            let algorithm = options
                .algorithm
                .or(info.checksum.as_ref().map(|checksum| checksum.algorithm));
            let put = PutOptions {
                headers,
                user,
                tags,
                condition: options.condition,
                algorithm,
            };
            let mut writer = self.begin_put(bucket, key, put)?;
            let mut start = 0;
            while start < info.size {
                let piece = source.read_range(start..start + (1 << 20)).await?;
                start += piece.len() as u64;
                writer.write(piece).await?;
            }
            return writer.finish(Expected::default()).await;
        }
        let (store, source) = (self.0.clone(), source.clone());
        let copying = self.0.tasks.spawn_blocking(move || {
            let mut staged = StagedFile::create(&store)?;
            staged.append(source.file(), 0..source.info().size)?;
            staged.sync()?;
            Ok::<_, ObjectError>(staged)
        });
        let staged = copying.await??;
        let write = Write {
            size: info.size,
            etag: info.etag,
            headers,
            user,
            tags,
            checksum: info.checksum,
            parts: None,
            upload: None,
            condition: options.condition,
        };
        self.commit(ObjectName::new(bucket, key), staged, write, |_, _| Ok(()))
            .await
    }
}
