//! ListBuckets: lists the caller's buckets.

use s3s::dto::{ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::buckets;
use crate::errors::from_objects;
use crate::time::timestamp;
use s3s::dto::{Bucket, Owner};
use s3s::s3_error;

/// Most buckets in one answer.
const BUCKETS_MAX: usize = 10_000;

pub(crate) async fn handle(api: &Api, request: S3Request<ListBucketsInput>) -> S3Result<ListBucketsOutput> {
    let S3Request { input, extensions, .. } = request;
    let caller = buckets::caller(&extensions);
    let max = match input.max_buckets {
        None => BUCKETS_MAX,
        Some(max) => usize::try_from(max).ok().filter(|max| (1..=BUCKETS_MAX).contains(max)).ok_or_else(|| {
            s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000.")
        })?,
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let mut found = api.objects.buckets(&caller.account).map_err(from_objects)?;
    found.retain(|bucket| {
        bucket.name.starts_with(&prefix)
            && input.continuation_token.as_ref().is_none_or(|token| bucket.name > *token)
            && input.bucket_region.as_ref().is_none_or(|region| bucket.owner.region.as_str() == region)
    });
    let more = found.len() > max;
    found.truncate(max);
    let continuation_token = found.last().filter(|_| more).map(|bucket| bucket.name.clone());
    let listed = found.into_iter().map(|bucket| Bucket {
        name: Some(bucket.name),
        creation_date: Some(timestamp(bucket.created_ms)),
        bucket_region: Some(bucket.owner.region.as_str().to_owned()),
    });
    let account = caller.account.as_str().to_owned();
    Ok(ListBucketsOutput {
        buckets: Some(listed.collect()),
        continuation_token,
        owner: Some(Owner { display_name: Some(account.clone()), id: Some(account) }),
        prefix: input.prefix,
    })
}
