//! PutBucketTagging: replaces the tags.

use s3s::dto::{PutBucketTaggingInput, PutBucketTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use crate::tags::{self, BUCKET_TAGS_MAX};

pub(crate) async fn handle(api: &Api, request: S3Request<PutBucketTaggingInput>) -> S3Result<PutBucketTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let tags = tags::from_set(input.tagging.tag_set, BUCKET_TAGS_MAX)?;
    api.objects.set_bucket_tags(&input.bucket, tags).await.map_err(from_objects)?;
    Ok(PutBucketTaggingOutput::default())
}
