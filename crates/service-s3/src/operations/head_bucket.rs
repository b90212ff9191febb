//! HeadBucket: tells whether the bucket is there and where.

use s3s::dto::{HeadBucketInput, HeadBucketOutput};
use s3s::{S3Request, S3Result};

use crate::Api;

pub(crate) async fn handle(api: &Api, request: S3Request<HeadBucketInput>) -> S3Result<HeadBucketOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let region = bucket.owner.region.as_str().to_owned();
    Ok(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
}
