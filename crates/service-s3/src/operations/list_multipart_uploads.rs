//! ListMultipartUploads: lists the uploads under way.

use s3s::dto::{ListMultipartUploadsInput, ListMultipartUploadsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::checksums::name;
use crate::errors::from_objects;
use crate::headers::{KeyText, owner};
use crate::operations::list_objects_v2::page_size;
use crate::time::timestamp;
use s3s::dto::{CommonPrefix, MultipartUpload, StorageClass};
use store_objects::UploadsQuery;

pub(crate) async fn handle(api: &Api, request: S3Request<ListMultipartUploadsInput>) -> S3Result<ListMultipartUploadsOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let text = KeyText::of(input.encoding_type.as_ref())?;
    let max = page_size(input.max_uploads, "max-uploads")?;
    let query = UploadsQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        // The upload marker means something behind a key marker only.
        upload_marker: input.upload_id_marker.clone().filter(|_| input.key_marker.is_some()).filter(|id| !id.is_empty()),
        key_marker: input.key_marker.clone().filter(|key| !key.is_empty()),
        delimiter: input.delimiter.clone(),
        limit: max,
    };
    let page = api.objects.uploads(&input.bucket, query).await.map_err(from_objects)?;
    let uploads = page.uploads.into_iter().map(|(key, id, upload)| MultipartUpload {
        key: Some(text.write(&key)),
        upload_id: Some(id),
        initiated: Some(timestamp(upload.initiated_ms)),
        checksum_algorithm: upload.algorithm.map(name),
        owner: Some(owner(&bucket)),
        storage_class: Some(StorageClass::from(upload.headers.storage_class.unwrap_or_else(|| StorageClass::STANDARD.to_owned()))),
        ..MultipartUpload::default()
    });
    let prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(text.write(prefix)) });
    let (next_key, next_upload) = page.next.clone().unzip();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        uploads: Some(uploads.collect()),
        common_prefixes: Some(prefixes.collect()),
        is_truncated: Some(page.next.is_some()),
        next_key_marker: next_key.map(|key| text.write(&key)),
        next_upload_id_marker: next_upload.flatten(),
        delimiter: input.delimiter.map(|delimiter| text.write(&delimiter)),
        prefix: input.prefix.map(|prefix| text.write(&prefix)),
        key_marker: Some(text.write(&input.key_marker.unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: Some(max as i32),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}
