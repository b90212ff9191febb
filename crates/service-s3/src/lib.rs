//! Amazon S3 on the object store, through s3s.
//!
//! s3s knows the protocol: routing, XML, headers. The operations stand in [`operations`], one file each.
//! Requests come here with their signature already verified and their chunking taken off by protocol-aws.

mod answer;
mod body;
mod buckets;
mod checksums;
mod conditions;
mod cors;
mod errors;
mod headers;
mod host;
mod named;
mod operations;
mod silence;
mod tags;
#[cfg(test)]
mod tests;
mod time;

use base::Random;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use protocol_aws::{Body, RequestId, Told};
use s3s::{S3Error, S3ErrorCode, s3_error};
use store_objects::Objects;

pub use cors::BucketCors;
pub use operations::IMPLEMENTED;

/// Answers S3 requests. Clones share everything.
#[derive(Clone)]
pub struct S3Service {
    library: s3s::service::S3Service,
    objects: Objects,
    random: Random,
}

/// What the operations work on.
pub(crate) struct Api {
    pub(crate) objects: Objects,
}

impl S3Service {
    pub fn new(objects: Objects, random: Random) -> Self {
        let mut builder = s3s::service::S3ServiceBuilder::new(Api {
            objects: objects.clone(),
        });
        builder.set_host(host::Hosts);
        // The library asks who may do what only where it could check a signature.
        builder.set_auth(s3s::auth::SimpleAuth::new());
        builder.set_access(named::Access);
        Self {
            library: builder.build(),
            objects,
            random,
        }
    }

    /// Answers one request. Its extensions hold the caller as a [`base::Scope`] and its [`RequestId`]; trailers of
    /// its body are its trailing headers. Never fails: what goes wrong is an answer too. The answer's extensions
    /// hold [`Told`].
    pub async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        let named = named::Named::default();
        request.extensions_mut().insert(named.clone());
        let id = request.extensions().get().map(|RequestId(id)| id.clone());
        let request_id = id.unwrap_or_else(|| self.random.uuid().to_string());
        let may_be_long = silence::may_be_long(&request);
        let answering = self.clone().answer(request, named.clone(), request_id.clone());
        let mut answered = match may_be_long {
            true => silence::keep_alive(Box::pin(answering), silence::SILENCE_MAX).await,
            false => answering.await,
        };
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            answered.headers_mut().insert("x-amz-id-2", id.clone());
            answered.headers_mut().insert("x-amz-request-id", id);
        }
        answered.extensions_mut().get_or_insert_default::<Told>().operation = named.get();
        answered
    }

    async fn answer(self, request: Request<Body>, named: named::Named, request_id: String) -> Response<Body> {
        let is_head = request.method() == http::Method::HEAD;
        let is_attributes = request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|pair| pair == "attributes" || pair == "attributes=")
        });
        let resource = request.uri().path().to_owned();
        let waits = request.headers().contains_key(header::EXPECT);
        let is_http1 = request.version() < Version::HTTP_2;
        let is_form = is_form(&request);
        let (request, rest) = body::prepare(request, named);
        let mut answered = match is_form {
            // The library would gather all of it in memory.
            true => {
                drop(request);
                refusal(s3_error!(
                    NotImplemented,
                    "Uploading with POST and a form is not implemented; use PUT."
                ))
            }
            false => self.library.call(request).await.unwrap_or_else(|error| {
                let error: s3s::StdError = error.into();
                tracing::error!(%error, "an S3 request failed in the library");
                refusal(S3Error::new(S3ErrorCode::InternalError))
            }),
        };
        // The library takes a body that cannot be read for an error of ours.
        if answered.status() == StatusCode::INTERNAL_SERVER_ERROR
            && let Some(error) = rest.error()
        {
            answered = refusal(error);
        }
        if !rest.drain(waits).await && is_http1 {
            answered
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let answered = answered.map(BodyExt::boxed_unsync);
        answer::finish(answered, is_head, is_attributes, &resource, &request_id).await
    }
}

fn refusal(error: S3Error) -> s3s::HttpResponse {
    error.to_http_response().unwrap_or_default()
}

/// Whether an HTML form uploads an object (API Reference, "POST Object").
fn is_form(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes).trim_ascii_start();
    let form = b"multipart/form-data";
    let starts = content_type.get(..form.len());
    request.method() == http::Method::POST && starts.is_some_and(|starts| starts.eq_ignore_ascii_case(form))
}
