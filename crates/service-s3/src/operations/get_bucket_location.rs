//! GetBucketLocation: tells the region; none is us-east-1.

use s3s::dto::{GetBucketLocationInput, GetBucketLocationOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use base::Region;

pub(crate) async fn handle(api: &Api, request: S3Request<GetBucketLocationInput>) -> S3Result<GetBucketLocationOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let region = bucket.owner.region;
    let location_constraint = (region != Region::default_region()).then(|| region.as_str().to_owned().into());
    Ok(GetBucketLocationOutput { location_constraint })
}
