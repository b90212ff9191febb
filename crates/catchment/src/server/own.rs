//! Our own pages under `/_catchment/`, and the health page that tools written for LocalStack wait for.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use protocol_aws::{Body, empty_body, full_body};
use serde_json::{Map, Value, json};

use super::Shared;
use crate::faults;

/// A fault is a small document.
const FAULT_BYTES_MAX: usize = 64 << 10;

/// The answer to a request for one of our own pages; `None` for everything else.
pub(crate) async fn answer(shared: &Shared, request: &mut Request<Body>) -> Option<Response<Body>> {
    let path = request.uri().path();
    if !path.starts_with("/_catchment/") && path != "/_localstack/health" {
        return None;
    }
    if let Some(id) = path.strip_prefix("/_catchment/faults") {
        let id = id.to_owned();
        return Some(faults(shared, &id, request).await);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into()));
    }
    Some(match path {
        "/_catchment/health" => health(shared.platform.refusing_writes(), services(shared, "running")),
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

/// Lists, sets and clears faults. Whoever may call a server with access keys must not be hit by whoever may not.
async fn faults(shared: &Shared, id: &str, request: &mut Request<Body>) -> Response<Body> {
    let refused = |status, why: &str| text(status, "application/json", json!({ "error": why }).to_string());
    if !shared.is_open {
        return refused(
            StatusCode::FORBIDDEN,
            "faults can be set on servers without access keys only",
        );
    }
    let faults = &shared.platform.faults;
    match (request.method().clone(), id) {
        (Method::GET | Method::HEAD, "") => json_page(&json!({ "faults": faults.list() })),
        (Method::POST, "") => {
            let body = std::mem::replace(request.body_mut(), empty_body());
            let Some(body) = read_fault(body).await else {
                return refused(StatusCode::BAD_REQUEST, "the fault could not be read");
            };
            match faults::parse(&body).and_then(|fault| faults.add(fault)) {
                Ok(fault) => json_page(&json!(fault)),
                Err(why) => refused(StatusCode::BAD_REQUEST, &why),
            }
        }
        (Method::DELETE, "") => json_page(&json!({ "cleared": faults.clear(None) })),
        (Method::DELETE, id) => match id.trim_start_matches('/').parse() {
            Ok(id) => json_page(&json!({ "cleared": faults.clear(Some(id)) })),
            Err(_) => refused(StatusCode::NOT_FOUND, "there is no such fault"),
        },
        _ => refused(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE only"),
    }
}

/// `None` where it breaks off or is too large for a fault.
async fn read_fault(mut body: Body) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > FAULT_BYTES_MAX {
            return None;
        }
    }
    Some(read)
}

/// 503 while the log refuses writes: whoever watches should start the server again.
fn health(refusing: Option<String>, services: Value) -> Response<Body> {
    let (status, word) = match refusing {
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "refusing writes"),
        None => (StatusCode::OK, "ok"),
    };
    let mut page = json!({ "status": word, "version": env!("CARGO_PKG_VERSION"), "services": services });
    if let Some(reason) = refusing {
        page["reason"] = reason.into();
    }
    text(status, "application/json", page.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_refuses_writes_is_not_well() {
        assert_eq!(health(None, json!({})).status(), StatusCode::OK);
        let refusing = health(Some("the disk broke".into()), json!({}));
        assert_eq!(refusing.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
