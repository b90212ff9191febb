//! DeleteBucketTagging: removes the tags.

use s3s::dto::{DeleteBucketTaggingInput, DeleteBucketTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use store_objects::Tags;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteBucketTaggingInput>) -> S3Result<DeleteBucketTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    api.objects.set_bucket_tags(&input.bucket, Tags::new()).await.map_err(from_objects)?;
    Ok(DeleteBucketTaggingOutput::default())
}
