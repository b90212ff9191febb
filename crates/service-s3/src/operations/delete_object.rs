//! DeleteObject: removes an object; removing none succeeds.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::conditions::write_condition;
use crate::errors::from_objects;
use crate::headers::check_version;
use s3s::s3_error;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteObjectInput>) -> S3Result<DeleteObjectOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(s3_error!(NotImplemented, "Deletion on size or time is for directory buckets, which are not implemented"));
    }
    let condition = write_condition(input.if_match, None);
    api.objects.delete_if(&input.bucket, &input.key, condition).await.map_err(from_objects)?;
    Ok(DeleteObjectOutput::default())
}
