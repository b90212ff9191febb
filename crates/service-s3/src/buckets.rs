//! Whose bucket it is.

use base::Scope;
use http::Extensions;
use s3s::{S3Result, s3_error};
use store_objects::BucketInfo;

use crate::{Api, errors};

/// The caller, as authentication left it.
pub(crate) fn caller(extensions: &Extensions) -> Scope {
    extensions.get::<Scope>().cloned().unwrap_or_default()
}

impl Api {
    /// The bucket, where the caller's account owns it. `expected_owner` is the x-amz-expected-bucket-owner header.
    pub(crate) fn owned(
        &self,
        extensions: &Extensions,
        bucket: &str,
        expected_owner: Option<&str>,
    ) -> S3Result<BucketInfo> {
        let info = self.objects.bucket(bucket).map_err(errors::from_objects)?;
        let owner = info.owner.account.as_str();
        if caller(extensions).account.as_str() != owner || expected_owner.is_some_and(|expected| expected != owner) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(info)
    }
}
