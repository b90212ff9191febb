//! ListObjectsV2: lists objects.

use s3s::dto::{ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::{Fields, name};
use crate::conditions::etag;
use crate::errors::from_objects;
use crate::headers::{KeyText, owner};
use crate::time::timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use s3s::dto::{CommonPrefix, Object, ObjectStorageClass, Owner};
use s3s::s3_error;
use store_objects::{ListQuery, ObjectInfo};

/// Most entries in one answer, and as many as an answer has that names no number.
const PAGE_MAX: i32 = 1000;

pub(crate) async fn handle(api: &Api, request: S3Request<ListObjectsV2Input>) -> S3Result<ListObjectsV2Output> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let text = KeyText::of(input.encoding_type.as_ref())?;
    let max = page_size(input.max_keys, "max-keys")?;
    let continued = input.continuation_token.as_deref().map(parse_token).transpose()?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        start_after: continued.or_else(|| input.start_after.clone().filter(|start| !start.is_empty())),
        delimiter: input.delimiter.clone(),
        limit: max,
    };
    let page = api.objects.list_query(&input.bucket, query).await.map_err(from_objects)?;
    let key_count = page.objects.len() + page.common_prefixes.len();
    let with_owner = input.fetch_owner == Some(true);
    let contents = page.objects.into_iter().map(|object| listed(object, text, with_owner.then(|| owner(&bucket))));
    let prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(text.write(prefix)) });
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        contents: Some(contents.collect()),
        common_prefixes: Some(prefixes.collect()),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|next| BASE64.encode(next)),
        continuation_token: input.continuation_token,
        key_count: Some(key_count as i32),
        delimiter: input.delimiter.map(|delimiter| text.write(&delimiter)),
        prefix: Some(text.write(&input.prefix.unwrap_or_default())),
        start_after: input.start_after.map(|start| text.write(&start)),
        max_keys: Some(max as i32),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

/// How many entries the caller gets; asking for more than the most gives the most.
pub(crate) fn page_size(asked: Option<i32>, argument: &str) -> S3Result<usize> {
    match asked.unwrap_or(PAGE_MAX) {
        negative if negative < 0 => {
            Err(s3_error!(InvalidArgument, "Argument {argument} must be an integer between 0 and 2147483647"))
        }
        asked => Ok(asked.min(PAGE_MAX) as usize),
    }
}

/// An object as listings have it.
pub(crate) fn listed(object: ObjectInfo, text: KeyText, owner: Option<Owner>) -> Object {
    let class = object.headers.storage_class.clone().unwrap_or_else(|| ObjectStorageClass::STANDARD.to_owned());
    Object {
        key: Some(text.write(&object.key)),
        size: Some(object.size as i64),
        e_tag: Some(etag(&object)),
        last_modified: Some(timestamp(object.modified_ms)),
        checksum_algorithm: object.checksum.as_ref().map(|checksum| vec![name(checksum.algorithm)]),
        checksum_type: Fields::of(object.checksum.as_ref()).kind,
        storage_class: Some(ObjectStorageClass::from(class)),
        owner,
        ..Object::default()
    }
}

fn parse_token(token: &str) -> S3Result<String> {
    let text = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}
