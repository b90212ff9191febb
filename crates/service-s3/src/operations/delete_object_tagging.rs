//! DeleteObjectTagging: removes the tags.

use s3s::dto::{DeleteObjectTaggingInput, DeleteObjectTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use crate::headers::check_version;
use store_objects::Tags;

pub(crate) async fn handle(api: &Api, request: S3Request<DeleteObjectTaggingInput>) -> S3Result<DeleteObjectTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    api.objects.set_object_tags(&input.bucket, &input.key, Tags::new()).await.map_err(from_objects)?;
    Ok(DeleteObjectTaggingOutput::default())
}
