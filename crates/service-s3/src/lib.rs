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
use http::{Request, Response};
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
        let resource = request.uri().path().to_owned();
        let answered = match self.library.call(body::prepare(request)).await {
            Ok(response) => response,
            Err(error) => {
                let error: s3s::StdError = error.into();
                tracing::error!(%error, "an S3 request failed in the library");
                let error = s3s::S3Error::new(s3s::S3ErrorCode::InternalError);
                error.to_http_response().unwrap_or_default()
            }
        };
        answer::finish(answered.map(BodyExt::boxed_unsync), is_head, &resource, &request_id).await
    }
}
