//! DeleteBucket: removes an empty bucket.

use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteBucketInput>) -> S3Result<DeleteBucketOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    api.objects.delete_bucket(&input.bucket).await.map_err(from_objects)?;
    Ok(DeleteBucketOutput::default())
}
