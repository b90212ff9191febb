//! The last touch on an answer: error documents as S3 writes them.

use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use protocol_aws::{Body, Told, empty_body, full_body};

use crate::errors;

pub(crate) async fn finish(
    mut response: Response<Body>,
    is_head: bool,
    is_attributes: bool,
    resource: &str,
    request_id: &str,
) -> Response<Body> {
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED || is_head && status.is_client_error() {
        // These have no body, and a length would promise one.
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        return response.map(|_| empty_body());
    }
    if !status.is_client_error() && !status.is_server_error() {
        return match is_attributes {
            true => with_bare_etag(response).await,
            false => response,
        };
    }
    let (mut parts, body) = response.into_parts();
    let document = match body.collect().await {
        Ok(collected) => complete_error(&String::from_utf8_lossy(&collected.to_bytes()), resource, request_id),
        Err(_) => String::new(),
    };
    let error = between(&document, "<Code>", "</Code>").map(str::to_owned);
    parts.extensions.get_or_insert_default::<Told>().error = error;
    Response::from_parts(parts, full_body(document))
}

/// GetObjectAttributes alone gives the ETag without quotes (API Reference, its response syntax).
async fn with_bare_etag(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let document = match body.collect().await {
        Ok(collected) => String::from_utf8_lossy(&collected.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let bare = match between(&document, "<ETag>", "</ETag>") {
        Some(etag) => document.replacen(etag, &etag.replace("&quot;", "").replace('"', ""), 1),
        None => document,
    };
    Response::from_parts(parts, full_body(bare))
}

/// Adds the message where the library leaves it out, the resource and the ids.
fn complete_error(document: &str, resource: &str, request_id: &str) -> String {
    let Some(head) = document.strip_suffix("</Error>") else {
        return document.to_owned();
    };
    let code = between(document, "<Code>", "</Code>").unwrap_or_default();
    let mut complete = head.to_owned();
    if !document.contains("<Message>") {
        complete.push_str(&format!("<Message>{}</Message>", errors::default_message(code)));
    }
    complete.push_str(&format!("<Resource>{}</Resource>", escape(resource)));
    complete.push_str(&format!(
        "<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
    ));
    complete
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
