//! CopyObject: copies an object, with its metadata or with other.

use s3s::dto::{CopyObjectInput, CopyObjectOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::{Fields, algorithm};
use crate::conditions::{ReadConditions, etag, write_condition_of};
use crate::errors::from_objects;
use crate::headers;
use crate::tags;
use crate::time::timestamp;
use s3s::dto::{CopyObjectResult, CopySource, MetadataDirective, TaggingDirective};
use s3s::s3_error;
use store_objects::{CopyOptions, Headers, ObjectReader, WRITE_BYTES_MAX};

pub(crate) async fn handle(api: &Api, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let S3Request { mut input, extensions, headers: asked, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    headers::refuse_unbuilt(&asked)?;
    let condition = write_condition_of(&asked)?;
    let source = open_source(api, &extensions, &input.copy_source, input.expected_source_bucket_owner.as_deref()).await?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.take(),
        if_none_match: input.copy_source_if_none_match.take(),
        if_modified_since: input.copy_source_if_modified_since.take(),
        if_unmodified_since: input.copy_source_if_unmodified_since.take(),
    };
    conditions.check_copy_source(source.info())?;
    if source.info().size > WRITE_BYTES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {WRITE_BYTES_MAX}"
        ));
    }
    let replace = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let replace_tags = match input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
        None | Some(TaggingDirective::COPY) => false,
        Some(TaggingDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown tagging directive.")),
    };
    let (given, user) = given!(input).check()?;
    let onto_itself = source.bucket() == input.bucket && source.info().key == input.key;
    if onto_itself && !replace && given.storage_class.is_none() && given.website_redirect_location.is_none() {
        return Err(s3_error!(InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."));
    }
    let metadata = if replace {
        (given, user)
    } else {
        // These two are never copied (CopyObject, "x-amz-storage-class" and "x-amz-website-redirect-location").
        let Headers { storage_class, website_redirect_location, .. } = given;
        let kept = Headers { storage_class, website_redirect_location, ..source.info().headers.clone() };
        (kept, source.info().user.clone())
    };
    let options = CopyOptions {
        metadata: Some(metadata),
        tags: if replace_tags { Some(tags::from_header(input.tagging)?) } else { None },
        condition,
        algorithm: algorithm(input.checksum_algorithm.as_ref())?,
    };
    let info = api.objects.copy(&source, &input.bucket, &input.key, options).await.map_err(from_objects)?;
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&info)),
        last_modified: Some(timestamp(info.modified_ms)),
        checksum_type: Fields::of(info.checksum.as_ref()).kind,
        ..CopyObjectResult::default()
    };
    fill_checksum!(result, info.checksum.as_ref());
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
}

/// Opens what x-amz-copy-source names.
pub(crate) async fn open_source(
    api: &Api,
    extensions: &http::Extensions,
    source: &CopySource,
    expected_owner: Option<&str>,
) -> S3Result<ObjectReader> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "Copying from access points is not implemented"));
    };
    headers::check_version(version_id.as_deref())?;
    api.owned(extensions, bucket, expected_owner)?;
    api.objects.open_object(bucket, key).await.map_err(from_objects)
}
