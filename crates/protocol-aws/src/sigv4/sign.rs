//! Signing our own requests: the commands that talk to a server are clients like any other.

use base::Millis;
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, Method, header};

use super::{ALGORITHM, Canonical, CredentialScope, SigningKey, sha256_hex, string_to_sign};

/// Who signs, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    pub key_id: &'a str,
    pub secret: &'a str,
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

impl Signer<'_> {
    /// Adds `x-amz-date`, `x-amz-content-sha256` and `authorization` to the headers, which must hold `host`. The
    /// path is percent-encoded, and there is no query string.
    pub fn sign(&self, method: &Method, path: &str, headers: &mut HeaderMap, body: &[u8], now_ms: Millis) {
        let time = DateTime::from_timestamp_millis(now_ms)
            .unwrap_or_default()
            .format("%Y%m%dT%H%M%SZ")
            .to_string();
        let payload_hash = sha256_hex(body);
        for (name, text) in [("x-amz-date", &time), ("x-amz-content-sha256", &payload_hash)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        let mut signed: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        signed.sort();
        let scope = CredentialScope {
            date: time[..8].to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
        };
        let canonical = Canonical {
            method: method.as_str(),
            path,
            query: "",
            headers,
            signed_headers: &signed,
            payload_hash: &payload_hash,
            path_as_is: self.service == "s3",
        };
        let signature = SigningKey::derive(self.secret, &scope).sign(&string_to_sign(&time, &scope, &canonical.text()));
        let (key_id, names) = (self.key_id, signed.join(";"));
        let text = format!("{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header::AUTHORIZATION, value);
        }
    }
}
