//! AWS Signature Version 4, as its specification in the IAM user guide gives it: making signatures for our
//! own commands and checking those of callers.

pub mod chunked;
mod sign;

pub use sign::Signer;

use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::uri;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// `<date>/<region>/<service>/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialScope {
    /// `yyyyMMdd`.
    pub date: String,
    pub region: String,
    pub service: String,
}

impl std::fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// What of a request is signed.
pub(crate) struct Canonical<'a> {
    pub method: &'a str,
    /// The path as it came, percent-encoded once.
    pub path: &'a str,
    /// The query string as it came.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// Lower case, in order.
    pub signed_headers: &'a [String],
    pub payload_hash: &'a str,
    /// S3 signs its paths as they are; every other service encodes them once more.
    pub path_as_is: bool,
}

impl Canonical<'_> {
    /// The canonical request's text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(512);
        text.push_str(self.method);
        text.push('\n');
        if self.path_as_is {
            text.push_str(&percent_encoding::utf8_percent_encode(&uri::decode(self.path), uri::PATH).to_string());
        } else {
            let path = normalize(self.path);
            text.push_str(&percent_encoding::utf8_percent_encode(&path, uri::PATH).to_string());
        }
        text.push('\n');
        text.push_str(&canonical_query(self.query));
        text.push('\n');
        for name in self.signed_headers {
            text.push_str(name);
            text.push(':');
            for (index, value) in self.headers.get_all(name).iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let value = String::from_utf8_lossy(value.as_bytes());
                let mut words = value.split_ascii_whitespace();
                text.push_str(words.next().unwrap_or_default());
                words.for_each(|word| {
                    text.push(' ');
                    text.push_str(word);
                });
            }
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.signed_headers.join(";"));
        text.push('\n');
        text.push_str(self.payload_hash);
        text
    }
}

/// Removes empty, `.` and `..` segments, as RFC 3986 does.
fn normalize(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", kept.join("/"))
}

/// Names and values encoded, sorted, without the signature itself.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (uri::encode(&uri::decode(name)), uri::encode(&uri::decode(value))))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// `time` is `yyyyMMddTHHmmssZ`.
pub(crate) fn string_to_sign(time: &str, scope: &CredentialScope, canonical: &str) -> String {
    format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256_hex(canonical.as_bytes()))
}

/// The key that signs everything of one day, region and service.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    pub fn derive(secret: &str, scope: &CredentialScope) -> Self {
        let date = hmac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
        let region = hmac(&date, scope.region.as_bytes());
        let service = hmac(&region, scope.service.as_bytes());
        Self(hmac(&service, b"aws4_request"))
    }

    /// The signature in lower-case hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        hex::encode(hmac(&self.0, text.as_bytes()))
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Compares without telling by time where two texts differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The worked example of the specification: ListUsers of IAM.
    #[test]
    fn the_specifications_example() {
        let mut headers = HeaderMap::new();
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        headers.insert("content-type", HeaderValue::from_static(form));
        headers.insert("host", HeaderValue::from_static("iam.amazonaws.com"));
        headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
        let signed: Vec<String> = ["content-type", "host", "x-amz-date"].map(str::to_owned).into();
        let canonical = Canonical {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            signed_headers: &signed,
            payload_hash: EMPTY_SHA256,
            path_as_is: false,
        };
        let text = canonical.text();
        assert_eq!(
            sha256_hex(text.as_bytes()),
            "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
        );
        let scope = CredentialScope {
            date: "20150830".into(),
            region: "us-east-1".into(),
            service: "iam".into(),
        };
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &scope);
        assert_eq!(
            key.sign(&string_to_sign("20150830T123600Z", &scope, &text)),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn paths_and_queries_are_canonical() {
        assert_eq!(normalize("//a/./b/../c/"), "/a/c/");
        assert_eq!(normalize("/"), "/");
        assert_eq!(canonical_query("b=2&a=%7E&a=1&X-Amz-Signature=00&c"), "a=1&a=~&b=2&c=");
    }
}
