//! DeleteBucketCors: removes the CORS configuration.

use s3s::dto::{DeleteBucketCorsInput, DeleteBucketCorsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteBucketCorsInput>) -> S3Result<DeleteBucketCorsOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    api.objects.set_bucket_cors(&input.bucket, None).await.map_err(from_objects)?;
    Ok(DeleteBucketCorsOutput::default())
}
