//! Web pages as callers. A page of a foreign site must not reach a server that believes anyone, so only pages
//! from loopback and from configured origins may call.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use protocol_aws::{Body, empty_body, full_body};

use super::hosts::Hosts;
use crate::assembly::Platform;
use crate::config::Config;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, x-amzn-requestid, x-amz-request-id, x-amzn-errortype, x-amz-version-id, content-range, x-amz-meta-*, \
     x-amz-checksum-crc32, x-amz-checksum-crc32c, x-amz-checksum-crc64nvme, x-amz-checksum-sha1, x-amz-checksum-sha256",
);
const HOUR: HeaderValue = HeaderValue::from_static("3600");

/// What becomes of a request.
pub(crate) enum Verdict {
    /// It ends here.
    Answer(Response<Body>),
    /// It is let through, and its answer gets these headers.
    Call(HeaderMap),
}

pub(crate) struct Cors {
    origins: Vec<String>,
    hosts: Hosts,
    /// Requests are not signed, so only what a browser says of a page tells it from its user.
    believes_anyone: bool,
}

impl Cors {
    pub(crate) fn new(config: &Config) -> Self {
        let believes_anyone = config.access_keys.is_empty();
        Self {
            origins: config.cors_origins.clone(),
            hosts: Hosts::new(&config.allowed_hosts, believes_anyone),
            believes_anyone,
        }
    }

    /// What becomes of a request as far as it comes from a web page. Where a bucket has rules of its own, they
    /// decide as in S3: which requests are announced in vain, and which pages see the answers. Only origins that
    /// are configured need no rule there.
    pub(crate) fn judge(&self, platform: &Platform, request: &Request<Body>) -> Verdict {
        if let Some(refused) = self.hosts.refuse(request) {
            return Verdict::Answer(refused);
        }
        let Some(origin) = request.headers().get(ORIGIN) else {
            // A page of another site can make the browser ask without saying who does.
            let is_foreign = request
                .headers()
                .get("sec-fetch-site")
                .is_some_and(|site| site == "cross-site");
            return match is_foreign && self.believes_anyone && !self.origins.iter().any(|allowed| allowed == "*") {
                true => Verdict::Answer(refusal(
                    "A page of another site may not call. Start the server with --cors-origin and let the page ask \
                     with CORS, or with --access-key.\n",
                )),
                false => Verdict::Call(HeaderMap::new()),
            };
        };
        let is_preflight =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        // A preflight does not say which service it is for; the request after it does.
        let bucket = match is_preflight || platform.gateway.is_s3(request) {
            true => platform.s3.cors(request),
            false => None,
        };
        if let Some(bucket) = bucket.filter(|_| !self.is_configured(origin)) {
            if is_preflight && let Some(answer) = bucket.preflight(request) {
                return Verdict::Answer(answer);
            }
            let headers = bucket.headers(request);
            let by_rule = headers.is_some() && !is_loopback(origin);
            // Where nobody signs, the rule is all that keeps the page from reading what the bucket's owner could.
            if by_rule && self.believes_anyone && bucket.copies_from_elsewhere(request) {
                return Verdict::Answer(refusal(
                    "A rule of one bucket does not let a page copy from another. Start the server with --cors-origin \
                     to let it.\n",
                ));
            }
            if by_rule || is_loopback(origin) {
                return Verdict::Call(headers.unwrap_or_default());
            }
        }
        if !self.is_configured(origin) && !is_loopback(origin) {
            return Verdict::Answer(refusal(
                "This origin may not call. Start the server with --cors-origin to let it.\n",
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("origin"));
        if !is_preflight {
            return Verdict::Call(headers);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HOUR);
        if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        let mut response = Response::new(empty_body());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        Verdict::Answer(response)
    }

    fn is_configured(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

fn is_loopback(origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    })
}

pub(super) fn refusal(text: &'static str) -> Response<Body> {
    let mut response = Response::new(full_body(text));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_pages_may_call_and_others_only_when_configured() {
        let cors = Cors::new(&Config {
            cors_origins: vec!["https://app.example".to_owned()],
            ..Config::default()
        });
        for (origin, allowed) in [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://studio.localhost", true),
            ("https://app.example", true),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("null", false),
        ] {
            let from = HeaderValue::from_static(origin);
            assert_eq!(is_loopback(&from) || cors.is_configured(&from), allowed, "{origin}");
        }
    }
}
