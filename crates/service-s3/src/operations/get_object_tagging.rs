//! GetObjectTagging: reads the tags.

use s3s::dto::{GetObjectTaggingInput, GetObjectTaggingOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::errors::from_objects;
use crate::headers::check_version;
use crate::tags;

pub(crate) async fn handle(api: &Api, request: S3Request<GetObjectTaggingInput>) -> S3Result<GetObjectTaggingOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_version(input.version_id.as_deref())?;
    let info = api.objects.head(&input.bucket, &input.key).map_err(from_objects)?;
    Ok(GetObjectTaggingOutput { tag_set: tags::to_set(info.tags), ..GetObjectTaggingOutput::default() })
}
