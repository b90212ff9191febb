//! Our own pages under `/_catchment/`, and the health page that tools written for LocalStack wait for.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use protocol_aws::{Body, empty_body, full_body};
use serde_json::{Map, Value, json};

use super::Shared;
use crate::assembly::Key;
use crate::faults;

/// What our own pages take are small documents.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;

/// What there is, with what each is.
const INDEX: &str = "\
/_catchment/health    whether the server takes writes, and which services there are (JSON; 503 where it takes none)
/_catchment/status    what the server is doing (JSON)
/_catchment/metrics   figures for Prometheus
/_catchment/faults    chosen calls that fail or take longer (JSON; GET, POST, DELETE)
/_catchment/keys      keys that streams are encrypted with (JSON; GET, POST)
";

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
    if path == "/_catchment/keys" {
        return Some(keys(shared, request).await);
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
        "/_catchment/" => text(StatusCode::OK, "text/plain", INDEX.into()),
        _ => text(
            StatusCode::NOT_FOUND,
            "text/plain",
            format!("no such page; there are\n{INDEX}"),
        ),
    })
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    text(status, "application/json", json!({ "error": why }).to_string())
}

/// Lists the keys that streams are encrypted with, and says what one may be used for.
async fn keys(shared: &Shared, request: &mut Request<Body>) -> Response<Body> {
    if !shared.is_open {
        return refused(
            StatusCode::FORBIDDEN,
            "keys can be managed on servers without access keys only",
        );
    }
    match *request.method() {
        Method::GET | Method::HEAD => match shared.platform.keys() {
            Ok(keys) => json_page(&json!({ "keys": keys })),
            Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        Method::POST => {
            let body = std::mem::replace(request.body_mut(), empty_body());
            let key = read_small(body).await.ok_or_else(|| "it could not be read".to_owned());
            let key = key.and_then(|body| serde_json::from_slice::<Key>(&body).map_err(|error| error.to_string()));
            let key = match key {
                Ok(key) => key,
                Err(why) => return refused(StatusCode::BAD_REQUEST, &format!("the key's state is not clear: {why}")),
            };
            if key.key.is_empty() {
                return refused(StatusCode::BAD_REQUEST, "the key needs a name");
            }
            match shared.platform.set_key(&key).await {
                Ok(()) => json_page(&json!(key)),
                Err(error) => refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
            }
        }
        _ => refused(StatusCode::METHOD_NOT_ALLOWED, "GET and POST only"),
    }
}

/// Lists, sets and clears faults. Whoever may call a server with access keys must not be hit by whoever may not.
async fn faults(shared: &Shared, id: &str, request: &mut Request<Body>) -> Response<Body> {
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
            let Some(body) = read_small(body).await else {
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

/// `None` where it breaks off or is larger than what our own pages take.
async fn read_small(mut body: Body) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > DOCUMENT_BYTES_MAX {
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
