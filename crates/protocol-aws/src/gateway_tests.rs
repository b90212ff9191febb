//! The gateway with real signatures: what it lets through and what it refuses.

use base::{Clock, ManualClock, Random, Tasks};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gateway::json_request;
use crate::sigv4::Signer;
use crate::{AccessKey, Authentication, AwsError, Body, Call, Gateway, Limits, Service, Wire, full_body};

/// 2015-08-30T12:36:00Z.
const NOW_MS: i64 = 1_440_938_160_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    stream_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    stream_names: Vec<String>,
    has_more_streams: bool,
}

async fn list_streams(call: &Call<()>, _: protocol_empty::Ignored) -> Result<Output, AwsError> {
    Ok(Output {
        stream_names: vec![call.scope().account.to_string(), call.scope().region.to_string()],
        has_more_streams: false,
    })
}

mod protocol_empty {
    #[derive(serde::Deserialize)]
    pub(super) struct Ignored {}
}

async fn delete_stream(_: &Call<()>, input: Input) -> Result<crate::Empty, AwsError> {
    let name = input.stream_name.unwrap_or_default();
    let text = format!("Stream {name} under account 000000000000 not found.");
    Err(AwsError::new("ResourceNotFoundException", text))
}

fn gateway(authentication: Authentication) -> Gateway {
    let service = Service::new("kinesis", ())
        .on("ListStreams", list_streams)
        .on("DeleteStream", delete_stream)
        .build();
    let clock = ManualClock::at(NOW_MS).clock();
    Gateway::builder(clock, Random::seeded(1), Tasks::new())
        .service(service)
        .authentication(authentication)
        .build()
}

fn keys() -> Authentication {
    let account = "123456789012".parse().expect("an account");
    Authentication::keys([AccessKey {
        id: "AKIDEXAMPLE".into(),
        secret: "secret".into(),
        account,
    }])
}

fn signed(body: &str, key: &str, secret: &str, now_ms: i64) -> Request<Body> {
    let mut request = json_request("Kinesis_20131202.ListStreams", body.to_owned());
    request
        .headers_mut()
        .insert(header::HOST, HeaderValue::from_static("localhost:4566"));
    let signer = Signer {
        key_id: key,
        secret,
        region: "eu-west-1",
        service: "kinesis",
    };
    signer.sign(&http::Method::POST, "/", request.headers_mut(), body.as_bytes(), now_ms);
    request
}

async fn answer(gateway: &Gateway, request: Request<Body>) -> (StatusCode, String) {
    let response: Response<Body> = gateway.handle(request).await;
    assert!(response.headers().contains_key("x-amzn-requestid"));
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn good_signatures_pass_and_bad_ones_do_not() {
    let gateway = gateway(keys());
    let (status, body) = answer(&gateway, signed("{}", "AKIDEXAMPLE", "secret", NOW_MS)).await;
    assert_eq!(
        (status, body.as_str()),
        (
            StatusCode::OK,
            r#"{"StreamNames":["123456789012","eu-west-1"],"HasMoreStreams":false}"#
        )
    );

    let minutes = 60_000;
    let mut tampered = signed("{}", "AKIDEXAMPLE", "secret", NOW_MS);
    *tampered.body_mut() = full_body(r#"{"Limit":1}"#);
    let mut moved = signed("{}", "AKIDEXAMPLE", "secret", NOW_MS);
    moved.headers_mut().insert(
        "x-amz-target",
        HeaderValue::from_static("Kinesis_20131202.DeleteStream"),
    );
    let mut broken = signed("{}", "AKIDEXAMPLE", "secret", NOW_MS);
    broken.headers_mut().insert(
        header::AUTHORIZATION,
        HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=x"),
    );
    for (request, code, text) in [
        (
            signed("{}", "AKIDEXAMPLE", "wrong", NOW_MS),
            "InvalidSignatureException",
            "does not match",
        ),
        (
            signed("{}", "AKIDOTHER", "secret", NOW_MS),
            "UnrecognizedClientException",
            "security token",
        ),
        (
            signed("{}", "AKIDEXAMPLE", "secret", NOW_MS - 6 * minutes),
            "InvalidSignatureException",
            "Signature expired: 20150830T123000Z is now earlier than 20150830T123100Z (20150830T123600Z - 5 min.)",
        ),
        (
            signed("{}", "AKIDEXAMPLE", "secret", NOW_MS + 6 * minutes),
            "InvalidSignatureException",
            "Signature not yet current",
        ),
        (tampered, "InvalidSignatureException", "does not match"),
        (moved, "InvalidSignatureException", "does not match"),
        (broken, "IncompleteSignatureException", "Credential"),
        (
            json_request("Kinesis_20131202.ListStreams", "{}"),
            "MissingAuthenticationTokenException",
            "Missing",
        ),
    ] {
        let (status, body) = answer(&gateway, request).await;
        assert!(
            status.is_client_error() && body.contains(code) && body.contains(text),
            "{code} {text}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn without_keys_anyone_may_call_and_an_account_id_as_key_is_the_account() {
    let gateway = gateway(Authentication::Anyone);
    let (_, body) = answer(&gateway, signed("", "111122223333", "whatever", 0)).await;
    assert_eq!(
        body,
        r#"{"StreamNames":["111122223333","eu-west-1"],"HasMoreStreams":false}"#
    );
    let (_, body) = answer(&gateway, json_request("Kinesis_20131202.ListStreams", "")).await;
    assert_eq!(
        body,
        r#"{"StreamNames":["000000000000","us-east-1"],"HasMoreStreams":false}"#
    );
}

#[tokio::test]
async fn errors_take_the_services_form() {
    let gateway = gateway(Authentication::Anyone);
    for (target, body, status, expect) in [
        (
            "Kinesis_20131202.DeleteStream",
            r#"{"StreamName":"a"}"#,
            400,
            json!({ "__type": "ResourceNotFoundException", "message": "Stream a under account 000000000000 not found." }),
        ),
        (
            "Kinesis_20131202.Nope",
            "{}",
            400,
            json!({ "__type": "UnknownOperationException" }),
        ),
        (
            "Kinesis_20131202.DeleteStream",
            "{",
            400,
            json!({ "__type": "SerializationException" }),
        ),
        (
            "Kinesis_20131202.DeleteStream",
            r#"{"StreamName":1}"#,
            400,
            json!({ "__type": "SerializationException", "message": "NUMBER_VALUE can not be converted to a String" }),
        ),
        (
            "Kinesis_20131202.DeleteStream",
            r#"["a"]"#,
            400,
            json!({ "__type": "SerializationException", "message": "Start of list found where not expected" }),
        ),
        (
            "Kinesis_20131202.SplitShard",
            "{}",
            501,
            json!({ "__type": "NotImplemented", "message": "catchment does not implement kinesis:SplitShard yet." }),
        ),
    ] {
        let (found, text) = answer(&gateway, json_request(target, body)).await;
        assert_eq!(
            (found.as_u16(), serde_json::from_str::<Value>(&text).expect("JSON")),
            (status, expect),
            "{target} {body}"
        );
    }
}

#[tokio::test]
async fn cbor_calls_work() {
    let gateway = gateway(Authentication::Anyone);
    let mut body = Vec::new();
    ciborium::into_writer(&json!({}), &mut body).expect("writes");
    let mut request = json_request("Kinesis_20131202.ListStreams", body);
    request.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Wire::AmzCbor.content_type()),
    );
    let response = gateway.handle(request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/x-amz-cbor-1.1");
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let value: Value = ciborium::from_reader(bytes.as_ref()).expect("CBOR");
    assert_eq!(value["HasMoreStreams"], false);
}

#[test]
#[should_panic(expected = "the model of kinesis has no Nope")]
fn an_operation_that_the_model_lacks_is_found_at_construction() {
    drop(Service::new("kinesis", ()).on("Nope", list_streams));
}

#[test]
#[should_panic(expected = "kinesis registers ListStreams twice")]
fn an_operation_registered_twice_is_found_at_construction() {
    drop(
        Service::new("kinesis", ())
            .on("ListStreams", list_streams)
            .on("ListStreams", list_streams),
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let service = Service::new("kinesis", ()).on("ListStreams", list_streams).build();
    let gateway = Gateway::builder(Clock::system(), Random::seeded(1), Tasks::new())
        .service(service)
        .limits(Limits {
            body_bytes_max: 10,
            ..Limits::default()
        })
        .build();
    let (status, body) = answer(&gateway, json_request("Kinesis_20131202.ListStreams", " ".repeat(11))).await;
    assert!(
        status == StatusCode::PAYLOAD_TOO_LARGE && body.contains("RequestEntityTooLargeException"),
        "{status} {body}"
    );
}

#[tokio::test]
async fn the_host_of_http2_is_under_the_signature() {
    let gateway = gateway(keys());
    let moved = |authority: &str| {
        let mut request = signed("{}", "AKIDEXAMPLE", "secret", NOW_MS);
        request.headers_mut().remove(header::HOST);
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = format!("http://{authority}/").parse().expect("a URI");
        request
    };
    let (status, body) = answer(&gateway, moved("localhost:4566")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (_, body) = answer(&gateway, moved("localhost:4567")).await;
    assert!(body.contains("InvalidSignatureException"), "{body}");
}

/// A body that must not be asked for.
fn untouchable() -> Body {
    let frames = futures::stream::poll_fn(|_| panic!("the body was read"));
    let frames = futures::StreamExt::map(frames, |()| Ok(http_body::Frame::data(bytes::Bytes::new())));
    http_body_util::StreamBody::new(frames).boxed_unsync()
}

#[tokio::test]
async fn bodies_of_unknown_callers_are_not_read() {
    let gateway = gateway(keys());
    let form = || {
        Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(untouchable())
            .expect("a request")
    };
    let mut broken = signed("{}", "AKIDEXAMPLE", "secret", NOW_MS).map(|_| untouchable());
    let nonsense = HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=x");
    broken.headers_mut().insert(header::AUTHORIZATION, nonsense);
    for (request, code) in [
        (
            json_request("Kinesis_20131202.ListStreams", "").map(|_| untouchable()),
            "MissingAuthenticationTokenException",
        ),
        (
            signed("{}", "AKIDOTHER", "secret", NOW_MS).map(|_| untouchable()),
            "UnrecognizedClientException",
        ),
        (broken, "IncompleteSignatureException"),
        (form(), "MissingAuthenticationToken"),
    ] {
        let (status, body) = answer(&gateway, request).await;
        assert!(
            status.is_client_error() && body.contains(code),
            "{code}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn bodies_have_bounds_together_and_forms_a_lower_one() {
    let limits = Limits {
        form_bytes_max: 20,
        bodies_bytes_max: 100,
        ..Limits::default()
    };
    let service = Service::new("kinesis", ()).on("ListStreams", list_streams).build();
    let gateway = Gateway::builder(ManualClock::at(NOW_MS).clock(), Random::seeded(1), Tasks::new())
        .service(service)
        .limits(limits)
        .build();
    let call = |bytes: usize| json_request("Kinesis_20131202.ListStreams", format!("{{}}{}", " ".repeat(bytes - 2)));
    let (status, body) = answer(&gateway, call(101)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    // What one request took is there for the next.
    for _ in 0..3 {
        assert_eq!(answer(&gateway, call(90)).await.0, StatusCode::OK);
    }
    let form = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(full_body("Action=GetCallerIdentity"))
        .expect("a request");
    assert_eq!(answer(&gateway, form).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}
