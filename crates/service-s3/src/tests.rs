//! What needs no client: the honest list, trailing checksums, and refusals in the protocol's own form.

use base::{Clock, Random, Scope, Tasks};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use protocol_aws::{AwsError, Body, BoxError, Model, empty_body, full_body};
use store_meta::Meta;
use store_objects::Objects;

use crate::{IMPLEMENTED, S3Service};

struct Fixture {
    _dir: tempfile::TempDir,
    objects: Objects,
    service: S3Service,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let meta = Meta::open(dir.path().join("meta.redb")).expect("metadata");
        let random = Random::seeded(7);
        let objects = Objects::open(
            &dir.path().join("objects"),
            meta,
            Clock::system(),
            random.clone(),
            Tasks::new(),
        );
        let objects = objects.expect("opens");
        objects
            .create_bucket(&Scope::default(), "lake")
            .await
            .expect("a bucket");
        Self {
            _dir: dir,
            service: S3Service::new(objects.clone(), random),
            objects,
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:4566");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response: Response<Body> = self.service.call(request.body(body).expect("a request")).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
    }
}

fn with_trailer(content: &'static [u8], name: &'static str, value: &str) -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_str(value).expect("a value"));
    let trailers = async move { Some(Ok(trailers)) };
    Full::new(Bytes::from_static(content))
        .map_err(|never| match never {})
        .with_trailers(trailers)
        .boxed_unsync()
}

#[test]
fn the_list_of_what_is_not_built_is_true() {
    let model = Model::get("s3").expect("a model");
    let mut missing: Vec<&str> = model.operations.keys().map(String::as_str).collect();
    for name in IMPLEMENTED {
        assert!(missing.contains(name), "{name} is not in the model");
    }
    missing.retain(|name| !IMPLEMENTED.contains(name));
    missing.sort_unstable();
    let listed: Vec<&str> = include_str!("../unimplemented.txt").lines().collect();
    assert_eq!(
        listed,
        missing,
        "unimplemented.txt should hold:\n{}",
        missing.join("\n")
    );
}

#[tokio::test]
async fn trailing_checksums_are_verified_before_anything_is_stored() {
    let f = Fixture::new().await;
    // CRC32 and CRC64NVME of "123456789".
    for (name, right) in [
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
    ] {
        let body = with_trailer(b"123456789", name, right);
        let (status, headers, text) = f.call(Method::PUT, "/lake/k", &[("x-amz-trailer", name)], body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert_eq!(headers.get(name).and_then(|value| value.to_str().ok()), Some(right));
        let body = with_trailer(b"12345678X", name, right);
        let (status, _, text) = f.call(Method::PUT, "/lake/k", &[("x-amz-trailer", name)], body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.contains("<Code>BadDigest</Code>"), "{text}");
        let body = with_trailer(b"123456789", name, "nonsense");
        let (_, _, text) = f.call(Method::PUT, "/lake/k", &[("x-amz-trailer", name)], body).await;
        assert!(text.contains("<Code>InvalidRequest</Code>"), "{text}");
        assert_eq!(f.objects.get_bytes("lake", "k").await.expect("is there"), "123456789");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let f = Fixture::new().await;
    let refusal = || -> BoxError {
        Box::new(AwsError::new(
            "XAmzContentSHA256Mismatch",
            "The provided hash is another.",
        ))
    };
    let frames = futures::stream::iter([Ok(http_body::Frame::data(Bytes::from_static(b"half"))), Err(refusal())]);
    let (status, _, text) = f
        .call(Method::PUT, "/lake/k", &[], StreamBody::new(frames).boxed_unsync())
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("<Code>XAmzContentSHA256Mismatch</Code>"), "{text}");
    let (status, _, text) = f
        .call(Method::PUT, "/lake/k", &[("content-length", "9")], full_body("half"))
        .await;
    assert_eq!(
        (status, text.contains("<Code>IncompleteBody</Code>")),
        (StatusCode::BAD_REQUEST, true),
        "{text}"
    );
    assert!(f.objects.head("lake", "k").is_err());
    // The library reads the XML of a request itself.
    let frames = futures::stream::iter([Ok(http_body::Frame::data(Bytes::from_static(b"<Del"))), Err(refusal())]);
    let (status, _, text) = f
        .call(
            Method::POST,
            "/lake?delete",
            &[("content-length", "12")],
            StreamBody::new(frames).boxed_unsync(),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("<Code>XAmzContentSHA256Mismatch</Code>"), "{text}");
}

#[tokio::test]
async fn errors_have_the_form_that_s3_gives_them() {
    let f = Fixture::new().await;
    let (status, headers, text) = f.call(Method::GET, "/lake/a%26b", &[], empty_body()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let id = headers
        .get("x-amz-request-id")
        .and_then(|id| id.to_str().ok())
        .expect("an id");
    assert!(
        text.contains("<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"),
        "{text}"
    );
    assert!(
        text.contains(&format!("<RequestId>{id}</RequestId>")) && text.contains("<Resource>/lake/a%26b</Resource>"),
        "{text}"
    );
    let (status, _, text) = f.call(Method::HEAD, "/lake/missing", &[], empty_body()).await;
    assert_eq!((status, text.as_str()), (StatusCode::NOT_FOUND, ""));
    for (method, path, code) in [
        (Method::PUT, "/Not_A_Bucket", "InvalidBucketName"),
        (Method::GET, "/lake?versioning", "NotImplemented"),
        (Method::POST, "/lake?delete", "MissingRequestBodyError"),
        (Method::GET, "/lake?max-keys=x", "InvalidArgument"),
    ] {
        let (_, _, text) = f.call(method, path, &[], empty_body()).await;
        assert!(
            text.contains(&format!("<Code>{code}</Code>")) && text.contains("<Message>"),
            "{path}: {text}"
        );
    }
    let (_, _, text) = f
        .call(
            Method::POST,
            "/lake?delete",
            &[("content-length", "12")],
            full_body("<Delete><Obj"),
        )
        .await;
    assert!(text.contains("<Code>MalformedXML</Code>"), "{text}");
}
