//! Hands a request to s3s: only data goes through its body; trailing headers wait beside it, and so does what
//! went wrong with the body, which s3s would call an error of ours.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Uri, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use protocol_aws::{Body, BoxError};
use s3s::{S3Error, S3Result};
use store_objects::Algorithm;

use crate::checksums::Announced;
use crate::errors;
use crate::named::Named;

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

/// How much of a refused request's body is worth reading.
const DRAIN_BYTES_MAX: usize = 256 << 10;

/// Query members of a version 2 presigned URL, which some SDKs still make where nothing tells them otherwise.
const VERSION_2_MEMBERS: [&str; 3] = ["awsaccesskeyid", "signature", "expires"];

/// Operations that check the digests of their content themselves, as they write it.
const STREAMING: [&str; 2] = ["PutObject", "UploadPart"];

pub(crate) fn prepare(mut request: Request<Body>, named: Named) -> (Request<s3s::Body>, Rest) {
    if let Some(uri) = without_version_2(request.uri()) {
        *request.uri_mut() = uri;
    }
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
    let announced = announced(headers);
    let trailers = Trailers::default();
    request.extensions_mut().insert(trailers.clone());
    let rest = Rest::default();
    let kept = rest.clone();
    let request = request.map(|inner| {
        s3s::Body::http_body_unsync(DataBody {
            inner: Some(inner),
            trailers,
            rest: kept,
            named,
            announced,
            gathered: Vec::new(),
        })
    });
    (request, rest)
}

/// The digests that the headers announce, if any.
fn announced(headers: &HeaderMap) -> Option<S3Result<Announced>> {
    let md5 = headers.get("content-md5").map(|md5| md5.to_str().unwrap_or_default());
    match Announced::new(headers, None, md5) {
        Ok(announced) if announced.is_empty() => None,
        announced => Some(announced),
    }
}

/// Whoever lets a request without a version 4 signature through to here takes any; s3s would not.
fn without_version_2(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let is_member = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        VERSION_2_MEMBERS.contains(&name.as_str())
    };
    if !query.split('&').any(|pair| is_member(&pair)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_member(pair)).collect();
    let path_and_query = format!("{}?{}", uri.path(), kept.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

struct DataBody {
    inner: Option<Body>,
    trailers: Trailers,
    rest: Rest,
    named: Named,
    /// What the content must be, as long as that is to be checked.
    announced: Option<S3Result<Announced>>,
    /// The content so far, where it is to be checked: the XML of a request, which s3s bounds.
    gathered: Vec<Bytes>,
}

impl DataBody {
    fn check(&mut self) -> S3Result<()> {
        let Some(announced) = self.announced.take() else {
            return Ok(());
        };
        let announced = announced?;
        let algorithm = announced.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let expected = announced.expected(&self.trailers.0.lock(), algorithm)?;
        expected
            .check_bytes(&self.gathered.concat())
            .map_err(errors::from_objects)
    }

    fn fail(&mut self, error: S3Error) -> BoxError {
        self.inner = None;
        let text = error.to_string();
        self.rest.0.lock().error = Some(error);
        text.into()
    }
}

/// What an operation left of the request's body.
#[derive(Clone, Default)]
pub(crate) struct Rest(Arc<Mutex<Left>>);

#[derive(Default)]
struct Left {
    unread: Option<Body>,
    error: Option<S3Error>,
}

impl Rest {
    /// Why the body could not be read.
    pub(crate) fn error(&self) -> Option<S3Error> {
        self.0.lock().error.take()
    }

    /// Reads a short rest, so that the connection can take another request, and tells whether that was all.
    /// The client of a long one, or one that waits for our word before it sends, should close instead.
    pub(crate) async fn drain(&self, waits: bool) -> bool {
        let Some(mut body) = self.0.lock().unread.take() else {
            return true;
        };
        let mut left = DRAIN_BYTES_MAX;
        while !waits && !body.is_end_stream() {
            match body.frame().await {
                Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(now) => left = now,
                    None => return false,
                },
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        body.is_end_stream()
    }
}

impl http_body::Body for DataBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.announced.is_some() && STREAMING.contains(&self.named.get()) {
            self.announced = None;
        }
        loop {
            let Some(inner) = &mut self.inner else {
                return Poll::Ready(None);
            };
            let frame = match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.rest.0.lock().error = Some(errors::from_body(&error));
                    self.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.inner = None;
                    let checked = self.check();
                    return Poll::Ready(checked.err().map(|error| Err(self.fail(error))));
                }
            };
            match frame.into_trailers() {
                Ok(trailers) => self.trailers.0.lock().extend(trailers),
                Err(data) => {
                    if let (Some(_), Some(bytes)) = (&self.announced, data.data_ref()) {
                        let bytes = bytes.clone();
                        self.gathered.push(bytes);
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // What is to be checked must be read to its end, whatever its length says.
        self.announced.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for DataBody {
    fn drop(&mut self) {
        self.rest.0.lock().unread = self.inner.take();
    }
}
