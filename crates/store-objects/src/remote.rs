//! Somebody else's object store: an S3 bucket, or a directory of another disk.
//!
//! What is put there is whole and durable when the call returns, under a name below the place that was opened.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{Attribute, Attributes, ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use url::Url;

/// How often and how long a request is tried again by itself. Callers wait for it, so it is short.
const RETRIES_MAX: usize = 4;
const RETRY_TIME_MAX: Duration = Duration::from_secs(15);
/// A request may take so long, in which a slow line carries a large object.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, thiserror::Error)]
pub enum RemoteError {
    /// The place or an option cannot be understood.
    #[error("{0}")]
    Invalid(String),
    #[error("{place} has no object {name}")]
    NotFound { place: String, name: String },
    #[error("{place} failed: {reason}")]
    Failed { place: String, reason: String },
}

/// A place in an object store. Clones share its connections.
#[derive(Clone)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Name,
    /// Where the files are, when the place is a directory.
    directory: Option<PathBuf>,
    url: String,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.url).finish()
    }
}

impl Remote {
    /// Opens `s3://bucket/prefix` or `file:///directory`. Options are those of the crate object_store for S3, such as
    /// `endpoint`, `region`, `access_key_id` and `secret_access_key`. Nothing is taken from the environment, which may
    /// point AWS clients at this very server.
    pub fn open<'o>(url: &str, options: impl IntoIterator<Item = (&'o str, &'o str)>) -> Result<Self, RemoteError> {
        let invalid =
            |reason: String| RemoteError::Invalid(format!("{url} cannot be used as an object store: {reason}"));
        let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
        let mut options = options.into_iter().peekable();
        match parsed.scheme() {
            "s3" => {
                let retry = RetryConfig {
                    max_retries: RETRIES_MAX,
                    retry_timeout: RETRY_TIME_MAX,
                    ..RetryConfig::default()
                };
                let client = ClientOptions::new().with_timeout(REQUEST_TIME_MAX);
                let builder = AmazonS3Builder::new().with_url(url).with_retry(retry);
                let mut builder = builder.with_client_options(client);
                for (key, value) in options {
                    let known: AmazonS3ConfigKey = key
                        .parse()
                        .map_err(|_| invalid(format!("there is no option {key:?}")))?;
                    if known == AmazonS3ConfigKey::Endpoint && value.starts_with("http:") {
                        let plain = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
                        builder = builder.with_config(plain, "true");
                    }
                    builder = builder.with_config(known, value);
                }
                let store = builder.build().map_err(|error| invalid(error.to_string()))?;
                let prefix = Name::from_url_path(parsed.path()).map_err(|error| invalid(error.to_string()))?;
                Ok(Self {
                    store: Arc::new(store),
                    prefix,
                    directory: None,
                    url: url.to_owned(),
                })
            }
            "file" => {
                if let Some((key, _)) = options.peek() {
                    return Err(invalid(format!("a directory has no option {key:?}")));
                }
                let directory = parsed
                    .to_file_path()
                    .map_err(|()| invalid("it names no directory".to_owned()))?;
                std::fs::create_dir_all(&directory).map_err(|error| invalid(error.to_string()))?;
                let store = LocalFileSystem::new_with_prefix(&directory).map_err(|error| invalid(error.to_string()))?;
                Ok(Self {
                    store: Arc::new(store),
                    prefix: Name::default(),
                    directory: Some(directory),
                    url: url.to_owned(),
                })
            }
            other => Err(invalid(format!("s3:// and file:// are known, {other}:// is not"))),
        }
    }

    /// The same store, `below` further down.
    pub fn below(mut self, below: &str) -> Self {
        self.prefix = below.split('/').fold(self.prefix, Name::join);
        self
    }

    /// The file that holds an object, where the place is a directory.
    pub fn file_of(&self, name: &str) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        Some(directory.join(self.place_of(name).ok()?.as_ref()))
    }

    /// As it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Puts an object, in the place of one of that name, of which readers are told that it is encoded so. A directory has no place for that.
    pub async fn put(&self, name: &str, content: Bytes, encoding: Option<&'static str>) -> Result<(), RemoteError> {
        let path = self.place_of(name)?;
        let mut attributes = Attributes::new();
        if let Some(encoding) = encoding.filter(|_| self.directory.is_none()) {
            attributes.insert(Attribute::ContentEncoding, encoding.into());
        }
        self.store
            .put_opts(&path, content.into(), attributes.into())
            .await
            .map_err(|error| self.failed(name, &error))?;
        match &self.directory {
            // The library renames the whole file into its place, and leaves it to the system when it is on the disk.
            Some(directory) => sync_up(directory, path.as_ref()).map_err(|error| self.failed(name, &error)),
            None => Ok(()),
        }
    }

    pub async fn get(&self, name: &str) -> Result<Bytes, RemoteError> {
        let got = self.store.get(&self.place_of(name)?).await;
        let got = got.map_err(|error| self.missing(name, error))?;
        got.bytes().await.map_err(|error| self.failed(name, &error))
    }

    /// A part of an object's bytes; all of `range` must be there.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, RemoteError> {
        let got = self.store.get_range(&self.place_of(name)?, range).await;
        got.map_err(|error| self.missing(name, error))
    }

    /// Removes an object, if it is there.
    pub async fn delete(&self, name: &str) -> Result<(), RemoteError> {
        match self.store.delete(&self.place_of(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(name, &error)),
        }
    }

    pub async fn exists(&self, name: &str) -> Result<bool, RemoteError> {
        match self.store.head(&self.place_of(name)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(name, &error)),
        }
    }

    /// Names are taken as they are: some, such as those with empty parts, no place has.
    fn place_of(&self, name: &str) -> Result<Name, RemoteError> {
        let whole = match self.prefix.as_ref() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        let refused = |error: object_store::path::Error| {
            let place = &self.url;
            RemoteError::Invalid(format!("{place} cannot have an object {name}: {error}"))
        };
        Name::parse(whole).map_err(refused)
    }

    fn missing(&self, name: &str, error: object_store::Error) -> RemoteError {
        match error {
            object_store::Error::NotFound { .. } => RemoteError::NotFound {
                place: self.url.clone(),
                name: name.to_owned(),
            },
            other => self.failed(name, &other),
        }
    }

    fn failed(&self, name: &str, error: &dyn std::error::Error) -> RemoteError {
        let mut reason = format!("{name}: {error}");
        let mut source = error.source();
        while let Some(deeper) = source {
            let text = deeper.to_string();
            // Most errors say already what theirs come from.
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            source = deeper.source();
        }
        RemoteError::Failed {
            place: self.url.clone(),
            reason,
        }
    }
}

/// Makes a file and the names of the directories that lead to it durable.
fn sync_up(directory: &Path, path: &str) -> std::io::Result<()> {
    let file = directory.join(path);
    for place in file.ancestors().take_while(|place| place.starts_with(directory)) {
        std::fs::File::open(place)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_holds_objects_by_their_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("file://{}/far/away", dir.path().display());
        let remote = Remote::open(&url, []).expect("opens").below("id");
        let content = Bytes::from_static(b"0123456789");
        remote
            .put("a/b.log", content.clone(), Some("gzip"))
            .await
            .expect("puts");
        assert_eq!(
            std::fs::read(dir.path().join("far/away/id/a/b.log")).expect("reads"),
            content
        );
        assert_eq!(remote.get("a/b.log").await.expect("gets"), content);
        assert_eq!(
            remote.get_range("a/b.log", 2..5).await.expect("gets"),
            content.slice(2..5)
        );
        remote.delete("a/b.log").await.expect("deletes");
        remote.delete("a/b.log").await.expect("deletes what is not there");
        let missing = remote.get("a/b.log").await;
        assert!(matches!(missing, Err(RemoteError::NotFound { .. })), "{missing:?}");
    }

    #[test]
    fn what_cannot_be_a_place_is_refused() {
        for (url, options, why) in [
            ("lake", vec![], "relative URL"),
            ("ftp://host/x", vec![], "ftp:// is not"),
            ("file:///tmp/x", vec![("region", "r")], "no option \"region\""),
            ("s3://lake/x", vec![("colour", "red")], "no option \"colour\""),
        ] {
            let refused = Remote::open(url, options).map(drop);
            assert!(
                refused.as_ref().is_err_and(|error| error.to_string().contains(why)),
                "{url}: {refused:?}"
            );
        }
    }
}
