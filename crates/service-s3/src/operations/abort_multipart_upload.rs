//! AbortMultipartUpload: drops an upload and its parts.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;

pub(crate) async fn handle(api: &Api, request: S3Request<AbortMultipartUploadInput>) -> S3Result<AbortMultipartUploadOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let aborted = api.objects.abort_upload(&input.bucket, &input.key, &input.upload_id).await;
    aborted.map_err(from_objects)?;
    Ok(AbortMultipartUploadOutput::default())
}
