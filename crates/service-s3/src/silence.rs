//! Answers that take long. A client gives up where nothing comes; so S3 answers copies and completed uploads with
//! 200 beforehand and sends whitespace until the document is there, which may then be an error's (API Reference,
//! "CompleteMultipartUpload" and "CopyObject").

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use protocol_aws::{Body, BoxError};
use tokio::time::timeout;

/// How long a client waits at most for the next sign of life. The SDKs' own limits begin at 20 s.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Whether the request may take long before its answer begins.
pub(crate) fn may_be_long(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let completes = query.split('&').any(|pair| pair.starts_with("uploadId="));
    *request.method() == Method::POST && completes || request.headers().contains_key("x-amz-copy-source")
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The answer, where it comes in time, or else the beginning of one.
pub(crate) async fn keep_alive(mut answering: Answering, silence_max: Duration) -> Response<Body> {
    if let Ok(response) = timeout(silence_max, &mut answering).await {
        return response;
    }
    let document = stream::unfold(Some(answering), move |answering| async move {
        let mut answering = answering?;
        let (bytes, rest) = match timeout(silence_max, &mut answering).await {
            Ok(response) => (document(response).await, None),
            Err(_) => (Ok(Bytes::from_static(b" ")), Some(answering)),
        };
        Some((bytes.map(Frame::data), rest))
    });
    let head = stream::iter([Ok(Frame::data(Bytes::from_static(DECLARATION.as_bytes())))]);
    let mut response = Response::new(StreamBody::new(stream::StreamExt::chain(head, document)).boxed_unsync());
    let xml = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, xml);
    response
}

/// The document of an answer whose declaration has been sent.
async fn document(response: Response<Body>) -> Result<Bytes, BoxError> {
    let status = response.status();
    if !status.is_success() {
        tracing::debug!(%status, "a long S3 request failed behind its 200");
    }
    let bytes = response.into_body().collect().await?.to_bytes();
    let declared = bytes
        .starts_with(b"<?xml")
        .then(|| bytes.windows(2).position(|pair| pair == b"?>"));
    Ok(bytes.slice(declared.flatten().map_or(0, |end| end + 2)..))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use protocol_aws::full_body;

    use super::*;

    fn after(wait: Duration) -> Answering {
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            let mut response = Response::new(full_body("<?xml version=\"1.0\"?><Done/>"));
            *response.status_mut() = StatusCode::CONFLICT;
            response
        })
    }

    #[tokio::test]
    async fn only_answers_that_take_long_begin_with_200() {
        let silence = Duration::from_millis(20);
        let prompt = keep_alive(after(Duration::ZERO), silence).await;
        assert_eq!(prompt.status(), StatusCode::CONFLICT);
        let long = keep_alive(after(silence * 5), silence).await;
        assert_eq!(long.status(), StatusCode::OK);
        let text = long.into_body().collect().await.expect("a body").to_bytes();
        let text = std::str::from_utf8(&text).expect("text");
        let rest = text.strip_prefix(DECLARATION).expect("a declaration");
        assert!(rest.starts_with(' ') && rest.trim_start() == "<Done/>", "{text}");
    }
}
