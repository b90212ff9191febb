//! Where a table is.

use std::fmt;

use crate::LakeError;

/// A bucket and the prefix in it under which a table's objects are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    pub bucket: String,
    /// Empty, or ends with a slash.
    pub prefix: String,
}

impl Location {
    /// `s3://bucket/some/prefix/`; `s3a` and `s3n` are Hadoop's names for the same, and the last slash may be left out.
    pub fn parse(url: &str) -> Result<Self, LakeError> {
        let rest = ["s3://", "s3a://", "s3n://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let (bucket, prefix) = rest.map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
        if bucket.is_empty() {
            return Err(LakeError::Location(url.to_owned()));
        }
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

    /// The key of an object of the table.
    pub(crate) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The key of an object of its log.
    pub(crate) fn log_key(&self, name: &str) -> String {
        format!("{}_delta_log/{name}", self.prefix)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let check = |url: &str, shown: &str| assert_eq!(Location::parse(url).expect(url).to_string(), shown);
        check("s3://lake", "s3://lake/");
        check("s3://lake/", "s3://lake/");
        check("s3a://lake/a/b", "s3://lake/a/b/");
        check("s3n://lake/a/b/", "s3://lake/a/b/");
        for bad in ["lake/a", "s3:///a", "hdfs://lake/a", ""] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
