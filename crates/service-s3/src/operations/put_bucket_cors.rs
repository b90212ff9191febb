//! PutBucketCors: keeps a CORS configuration.

use s3s::dto::{PutBucketCorsInput, PutBucketCorsOutput};
use s3s::{S3Request, S3Result};

use crate::Api;
use crate::cors::Rule;
use crate::errors::from_objects;
use s3s::{S3Error, s3_error};

/// As PutBucketCors documents.
const RULES_MAX: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

pub(crate) async fn handle(api: &Api, request: S3Request<PutBucketCorsInput>) -> S3Result<PutBucketCorsOutput> {
    let S3Request { input, extensions, .. } = request;
    api.owned(&extensions, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let rules = input.cors_configuration.cors_rules;
    if rules.is_empty() || rules.len() > RULES_MAX {
        return Err(s3_error!(MalformedXML));
    }
    let mut stored = Vec::with_capacity(rules.len());
    for rule in rules {
        if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(s3_error!(InvalidRequest, "Found unsupported HTTP method in CORS config. Unsupported method is {method}"));
        }
        if let Some(origin) = rule.allowed_origins.iter().find(|origin| origin.matches('*').count() > 1) {
            return Err(s3_error!(InvalidRequest, "AllowedOrigin \"{origin}\" can not have more than one wildcard."));
        }
        let headers = rule.allowed_headers.unwrap_or_default();
        if let Some(header) = headers.iter().find(|header| header.matches('*').count() > 1) {
            return Err(s3_error!(InvalidRequest, "AllowedHeader \"{header}\" can not have more than one wildcard."));
        }
        stored.push(Rule {
            id: rule.id,
            methods: rule.allowed_methods,
            origins: rule.allowed_origins,
            headers,
            expose: rule.expose_headers.unwrap_or_default(),
            max_age_s: rule.max_age_seconds,
        });
    }
    let text = serde_json::to_string(&stored).map_err(S3Error::internal_error)?;
    api.objects.set_bucket_cors(&input.bucket, Some(text)).await.map_err(from_objects)?;
    Ok(PutBucketCorsOutput::default())
}
