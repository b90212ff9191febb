//! Hands a request to s3s: only data goes through its body; trailing headers wait beside it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use protocol_aws::{Body, BoxError};

/// The trailing headers of a request, there once its body has been read. It is in the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub(crate) fn take(&self) -> HeaderMap {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Headers of the signature that s3s would try to verify again.
const SIGNATURE_HEADERS: [&str; 4] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
];

pub(crate) fn prepare(mut request: Request<Body>) -> Request<s3s::Body> {
    let headers = request.headers_mut();
    for name in SIGNATURE_HEADERS {
        headers.remove(name);
    }
    // S3 gives the whole object for a Range header that is none (RFC 9110, section 14.2).
    let range = headers.get(header::RANGE);
    if range.is_some_and(|range| {
        range
            .to_str()
            .map_or(true, |range| s3s::dto::Range::parse(range).is_err())
    }) {
        headers.remove(header::RANGE);
    }
    let trailers = Trailers::default();
    request.extensions_mut().insert(trailers.clone());
    request.map(|inner| s3s::Body::http_body_unsync(DataBody { inner, trailers }))
}

struct DataBody {
    inner: Body,
    trailers: Trailers,
}

impl http_body::Body for DataBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_trailers() {
                Ok(trailers) => self.trailers.0.lock().extend(trailers),
                Err(data) => return Poll::Ready(Some(Ok(data))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
