//! An object's own headers and user metadata.

use std::collections::BTreeMap;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{EncodingType, Metadata, Owner, StorageClass, Timestamp};
use s3s::{S3Result, s3_error};
use store_objects::{BucketInfo, Headers};

use crate::time::to_http_date;

/// Bytes of names and values together (S3 User Guide, "Working with object metadata").
const USER_METADATA_BYTES_MAX: usize = 2 << 10;

/// Of an object that says none.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// What a request that makes an object says about it.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) website_redirect_location: Option<String>,
    pub(crate) storage_class: Option<StorageClass>,
    pub(crate) metadata: Option<Metadata>,
}

impl Given {
    pub(crate) fn check(self) -> S3Result<(Headers, BTreeMap<String, String>)> {
        let user: BTreeMap<String, String> = self
            .metadata
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let bytes: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > USER_METADATA_BYTES_MAX {
            return Err(s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size"
            ));
        }
        const CLASSES: [&str; 8] = [
            "STANDARD",
            "REDUCED_REDUNDANCY",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER",
            "DEEP_ARCHIVE",
            "GLACIER_IR",
        ];
        let storage_class = self.storage_class.map(|class| class.as_str().to_owned());
        if storage_class.as_deref().is_some_and(|class| !CLASSES.contains(&class)) {
            return Err(s3_error!(
                InvalidStorageClass,
                "The storage class you specified is not valid"
            ));
        }
        let headers = Headers {
            content_type: self.content_type,
            content_encoding: self.content_encoding.filter(|encoding| !encoding.is_empty()),
            content_language: self.content_language,
            content_disposition: self.content_disposition,
            cache_control: self.cache_control,
            expires: self.expires.as_ref().and_then(to_http_date),
            website_redirect_location: self.website_redirect_location,
            storage_class: storage_class.filter(|class| class != "STANDARD"),
        };
        Ok((headers, user))
    }
}

/// Customer-provided keys would have to encrypt, and nothing here does.
pub(crate) fn refuse_customer_keys(algorithm: Option<&str>) -> S3Result<()> {
    match algorithm {
        Some(_) => Err(s3_error!(
            NotImplemented,
            "Server-side encryption with customer-provided keys is not implemented"
        )),
        None => Ok(()),
    }
}

/// What a request asks of the object it makes and nothing here does. Refusing is what S3 does too with ACLs and locks,
/// unless a bucket was made for them (User Guide, "Controlling ownership of objects" and "Locking objects").
pub(crate) fn refuse_unbuilt(headers: &HeaderMap) -> S3Result<()> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let has = |prefix: &str| headers.keys().any(|name| name.as_str().starts_with(prefix));
    if has("x-amz-object-lock-") {
        return Err(s3_error!(InvalidRequest, "Bucket is missing ObjectLockConfiguration"));
    }
    if has("x-amz-grant-") || !matches!(text("x-amz-acl"), None | Some("private" | "bucket-owner-full-control")) {
        return Err(s3_error!(
            AccessControlListNotSupported,
            "The bucket does not allow ACLs"
        ));
    }
    let encryption = text("x-amz-server-side-encryption");
    if !matches!(encryption, None | Some("AES256"))
        || headers.contains_key("x-amz-server-side-encryption-aws-kms-key-id")
    {
        return Err(s3_error!(
            NotImplemented,
            "Server-side encryption with keys of AWS KMS is not implemented"
        ));
    }
    let customer_key = text("x-amz-server-side-encryption-customer-algorithm")
        .or(text("x-amz-copy-source-server-side-encryption-customer-algorithm"));
    refuse_customer_keys(customer_key)
}

/// Objects have one version, which is called null.
pub(crate) fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null" | "") => Ok(()),
        Some(_) => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
    }
}

pub(crate) fn owner(bucket: &BucketInfo) -> Owner {
    let account = bucket.owner.account.as_str().to_owned();
    Owner {
        display_name: Some(account.clone()),
        id: Some(account),
    }
}

/// How a listing writes keys: as they are, or percent-encoded where the caller asked for `url`.
#[derive(Clone, Copy)]
pub(crate) struct KeyText(bool);

/// The characters that stay as they are in listed keys.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b'/');

impl KeyText {
    pub(crate) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
        }
    }

    pub(crate) fn write(self, key: &str) -> String {
        match self.0 {
            true => utf8_percent_encode(key, KEPT).to_string(),
            false => key.to_owned(),
        }
    }
}
