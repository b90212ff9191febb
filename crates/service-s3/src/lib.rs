//! Amazon S3 on the object store, through s3s.
//!
//! s3s knows the protocol: routing, XML, headers. The operations stand in [`operations`], one file each.
//! Requests come here with their signature already verified and their chunking taken off by protocol-aws.

mod answer;
mod body;
mod buckets;
mod checksums;
mod conditions;
mod errors;
mod headers;
mod host;
mod operations;
mod tags;
#[cfg(test)]
mod tests;
mod time;

use base::Random;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::BodyExt;
use protocol_aws::Body;
use store_objects::Objects;

pub use operations::IMPLEMENTED;

/// Answers S3 requests. Clones share everything.
#[derive(Clone)]
pub struct S3Service {
    library: s3s::service::S3Service,
    random: Random,
}

/// What the operations work on.
pub(crate) struct Api {
    pub(crate) objects: Objects,
}

impl S3Service {
    pub fn new(objects: Objects, random: Random) -> Self {
        let mut builder = s3s::service::S3ServiceBuilder::new(Api { objects });
        builder.set_host(host::Hosts);
        Self {
            library: builder.build(),
            random,
        }
    }

    /// Answers one request. Its extensions hold the caller as a [`base::Scope`]; trailers of its body are its
    /// trailing headers. Never fails: what goes wrong is an answer too.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        let request_id = self.random.uuid().simple().to_string();
        let is_head = request.method() == http::Method::HEAD;
        let is_attributes = request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|pair| pair == "attributes" || pair == "attributes=")
        });
        let resource = request.uri().path().to_owned();
        let waits = request.headers().contains_key(header::EXPECT);
        let is_http1 = request.version() < Version::HTTP_2;
        let (request, rest) = body::prepare(request);
        let mut answered = match self.library.call(request).await {
            Ok(response) => response,
            Err(error) => {
                let error: s3s::StdError = error.into();
                tracing::error!(%error, "an S3 request failed in the library");
                let error = s3s::S3Error::new(s3s::S3ErrorCode::InternalError);
                error.to_http_response().unwrap_or_default()
            }
        };
        if !rest.drain(waits).await && is_http1 {
            answered
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer::finish(
            answered.map(BodyExt::boxed_unsync),
            is_head,
            is_attributes,
            &resource,
            &request_id,
        )
        .await
    }
}
