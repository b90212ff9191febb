//! GetBucketCors: reads the CORS configuration.

use s3s::dto::{GetBucketCorsInput, GetBucketCorsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::cors::Rule;
use s3s::dto::CORSRule;
use s3s::{S3Error, s3_error};

pub(crate) async fn handle(api: &Api, request: S3Request<GetBucketCorsInput>) -> S3Result<GetBucketCorsOutput> {
    let S3Request { input, extensions, .. } = request;
    let bucket = api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let Some(stored) = bucket.cors else {
        return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
    };
    let rules: Vec<Rule> = serde_json::from_str(&stored).map_err(S3Error::internal_error)?;
    let rules = rules.into_iter().map(|rule| CORSRule {
        id: rule.id,
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        allowed_headers: (!rule.headers.is_empty()).then_some(rule.headers),
        expose_headers: (!rule.expose.is_empty()).then_some(rule.expose),
        max_age_seconds: rule.max_age_s,
    });
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.collect()) })
}
