//! Signing our own requests: the commands that talk to a server are clients like any other.

use base::Millis;
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, header};

use super::{ALGORITHM, Canonical, CredentialScope, SigningKey, sha256_hex, string_to_sign};

/// Adds `x-amz-date` and `authorization` to the headers of a POST to `/`, which must hold `host`.
pub fn sign_json(
    headers: &mut HeaderMap,
    body: &[u8],
    key_id: &str,
    secret: &str,
    region: &str,
    service: &str,
    now_ms: Millis,
) {
    let time = DateTime::from_timestamp_millis(now_ms)
        .unwrap_or_default()
        .format("%Y%m%dT%H%M%SZ")
        .to_string();
    if let Ok(value) = HeaderValue::from_str(&time) {
        headers.insert("x-amz-date", value);
    }
    let mut signed: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    signed.sort();
    let scope = CredentialScope {
        date: time[..8].to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    let canonical = Canonical {
        method: "POST",
        path: "/",
        query: "",
        headers,
        signed_headers: &signed,
        payload_hash: &sha256_hex(body),
        path_as_is: false,
    };
    let signature = SigningKey::derive(secret, &scope).sign(&string_to_sign(&time, &scope, &canonical.text()));
    let names = signed.join(";");
    let text = format!("{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(header::AUTHORIZATION, value);
    }
}
