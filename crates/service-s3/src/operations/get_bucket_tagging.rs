//! GetBucketTagging: reads the tags.

use s3s::dto::{GetBucketTaggingInput, GetBucketTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::tags;
use s3s::s3_error;

pub(crate) async fn handle(api: &Api, request: S3Request<GetBucketTaggingInput>) -> S3Result<GetBucketTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    if bucket.tags.is_empty() {
        return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
    }
    Ok(GetBucketTaggingOutput { tag_set: tags::to_set(bucket.tags) })
}
