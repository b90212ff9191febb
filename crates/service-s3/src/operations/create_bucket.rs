//! CreateBucket: makes a bucket in a region.

use s3s::dto::{CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::buckets;
use crate::errors::{default_message, from_objects};
use base::{Region, Scope};
use s3s::s3_error;
use http::HeaderMap;
use store_objects::ObjectError;

pub(crate) async fn handle(api: &Api, request: S3Request<CreateBucketInput>) -> S3Result<CreateBucketOutput> {
    let S3Request { input, extensions, headers, .. } = request;
    refuse_unbuilt(&headers)?;
    let caller = buckets::caller(&extensions);
    let constraint = input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
    let region = match &constraint {
        // The name that eu-west-1 had first.
        Some(named) if named.as_str() == "EU" => "eu-west-1",
        Some(named) => named.as_str(),
        None => caller.region.as_str(),
    };
    let region: Region = region.parse().map_err(|_| {
        s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid")
    })?;
    let owner = Scope::new(caller.account, region);
    match api.objects.create_bucket(&owner, &input.bucket).await {
        Ok(_) => {}
        // In us-east-1 making one's own bucket again succeeds, everywhere else it does not (API Reference,
        // "List of error codes", BucketAlreadyOwnedByYou).
        Err(ObjectError::BucketExists { owner: there, .. }) if there.account == owner.account => {
            if there.region != Region::default_region() || there.region != owner.region {
                return Err(s3_error!(BucketAlreadyOwnedByYou, "{}", default_message("BucketAlreadyOwnedByYou")));
            }
        }
        Err(error) => return Err(from_objects(error)),
    }
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

/// What a request asks of the bucket it makes and no bucket here can do.
fn refuse_unbuilt(headers: &HeaderMap) -> S3Result<()> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let has_grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if has_grants || !matches!(text("x-amz-acl"), None | Some("private")) {
        return Err(s3_error!(InvalidBucketAclWithObjectOwnership, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"));
    }
    if !matches!(text("x-amz-object-ownership"), None | Some("BucketOwnerEnforced")) {
        return Err(s3_error!(NotImplemented, "ACLs are not implemented, so buckets have the object ownership BucketOwnerEnforced"));
    }
    match text("x-amz-bucket-object-lock-enabled") {
        Some(enabled) if enabled.eq_ignore_ascii_case("true") => {
            Err(s3_error!(NotImplemented, "Object Lock is not implemented"))
        }
        _ => Ok(()),
    }
}
