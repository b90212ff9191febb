//! Our own pages under `/_catchment/`, and the health page that tools written for LocalStack wait for.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use protocol_aws::{Body, full_body};
use serde_json::{Map, Value, json};

use super::Shared;

/// The answer to a request for one of our own pages; `None` for everything else.
pub(crate) fn answer(shared: &Shared, request: &Request<Body>) -> Option<Response<Body>> {
    let path = request.uri().path();
    if !path.starts_with("/_catchment/") && path != "/_localstack/health" {
        return None;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into()));
    }
    Some(match path {
        "/_catchment/health" => json_page(&health(shared)),
        "/_catchment/status" => json_page(&shared.platform.status()),
        "/_catchment/metrics" => text(
            StatusCode::OK,
            "text/plain; version=0.0.4",
            shared.platform.metrics_page(),
        ),
        "/_localstack/health" => json_page(&localstack_health(shared)),
        _ => text(StatusCode::NOT_FOUND, "text/plain", "no such page\n".into()),
    })
}

fn health(shared: &Shared) -> Value {
    json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "services": services(shared, "running") })
}

fn localstack_health(shared: &Shared) -> Value {
    let version = concat!("catchment-", env!("CARGO_PKG_VERSION"));
    json!({ "services": services(shared, "running"), "edition": "community", "version": version })
}

fn services(shared: &Shared, state: &str) -> Value {
    let names = shared
        .platform
        .gateway
        .services()
        .into_iter()
        .map(|service| service.name())
        .chain(["s3"]);
    Value::Object(names.map(|name| (name.to_owned(), state.into())).collect::<Map<_, _>>())
}

fn json_page(value: &Value) -> Response<Body> {
    text(StatusCode::OK, "application/json", value.to_string())
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
