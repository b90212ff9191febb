//! PutObjectTagging: replaces the tags.

use s3s::dto::{PutObjectTaggingInput, PutObjectTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use crate::headers::check_version;
use crate::tags::{self, OBJECT_TAGS_MAX};

pub(crate) async fn handle(api: &Api, request: S3Request<PutObjectTaggingInput>) -> S3Result<PutObjectTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    let tags = tags::from_set(input.tagging.tag_set, OBJECT_TAGS_MAX)?;
    api.objects.set_object_tags(&input.bucket, &input.key, tags).await.map_err(from_objects)?;
    Ok(PutObjectTaggingOutput::default())
}
