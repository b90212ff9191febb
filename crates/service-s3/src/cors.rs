//! Pages of other origins as callers of a bucket: the bucket's rules, and what they say of a request.
//!
//! Facts: S3 User Guide, "Elements of a CORS configuration"; API Reference, "OPTIONS object".

use base::Random;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use percent_encoding::percent_decode;
use protocol_aws::{Body, empty_body, full_body};
use serde::{Deserialize, Serialize};

use crate::{S3Service, host};

const VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of \
    Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by \
    the resource's CORS spec.";

/// A rule as it is kept with the bucket.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: Option<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) expose: Vec<String>,
    pub(crate) max_age_s: Option<i32>,
}

/// The CORS configuration of the bucket that a request names.
pub struct BucketCors {
    bucket: String,
    rules: Vec<Rule>,
    random: Random,
}

impl S3Service {
    /// The CORS configuration of the bucket that the request's host or path names. `None` where it names none, or
    /// the bucket is not there or has no configuration.
    pub fn cors(&self, request: &Request<Body>) -> Option<BucketCors> {
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let in_path = request.uri().path().split('/').nth(1).unwrap_or_default();
        let bucket = host::bucket(host.or(authority).unwrap_or_default()).unwrap_or_else(|| in_path.to_owned());
        let stored = self.objects.bucket(&bucket).ok()?.cors?;
        match serde_json::from_str(&stored) {
            Ok(rules) => Some(BucketCors {
                bucket,
                rules,
                random: self.random.clone(),
            }),
            Err(error) => {
                tracing::error!(%error, bucket, "a bucket's CORS configuration cannot be read");
                None
            }
        }
    }
}

impl BucketCors {
    /// The answer to a browser that asks before it calls, where the request is such a question.
    pub fn preflight(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let origin = request.headers().get(ORIGIN)?;
        let method = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let asked = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let asked: Vec<String> = asked
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        let method = method.to_str().ok()?;
        let Some((rule, mut headers)) = self.find(origin, method, &asked) else {
            return Some(self.refusal(method, request.uri().path()));
        };
        insert(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
        if !asked.is_empty() {
            insert(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, &asked.join(", "));
        }
        if let Some(seconds) = rule.max_age_s {
            insert(&mut headers, ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        let mut response = Response::new(empty_body());
        *response.headers_mut() = headers;
        Some(response)
    }

    /// What the answer to a page's request carries, where a rule lets the page make it.
    pub fn headers(&self, request: &Request<Body>) -> Option<HeaderMap> {
        let origin = request.headers().get(ORIGIN)?;
        self.find(origin, request.method().as_str(), &[])
            .map(|(_, headers)| headers)
    }

    /// Whether the request reads another bucket, which this bucket's rules say nothing of.
    pub fn copies_from_elsewhere(&self, request: &Request<Body>) -> bool {
        let sources = request.headers().get_all("x-amz-copy-source");
        sources.iter().any(|source| {
            let source = percent_decode(source.as_bytes()).collect::<Vec<u8>>();
            let source = source.strip_prefix(b"/").unwrap_or(&source);
            source.split(|byte| *byte == b'/').next() != Some(self.bucket.as_bytes())
        })
    }

    /// The first rule that lets a page of `origin` call, and the headers that say so.
    fn find(&self, origin: &HeaderValue, method: &str, asked: &[String]) -> Option<(&Rule, HeaderMap)> {
        let from = origin.to_str().ok()?;
        let (rule, allowed) = self.rules.iter().find_map(|rule| {
            let allowed = rule.origins.iter().find(|pattern| matches(pattern, from))?;
            let lets = rule.methods.iter().any(|known| known == method)
                && asked.iter().all(|name| {
                    rule.headers
                        .iter()
                        .any(|pattern| matches(&pattern.to_ascii_lowercase(), name))
                });
            lets.then_some((rule, allowed))
        })?;
        let mut headers = HeaderMap::new();
        if allowed == "*" {
            insert(&mut headers, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            insert(&mut headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if !rule.expose.is_empty() {
            insert(&mut headers, ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose.join(", "));
        }
        headers.insert(VARY, VARIES);
        Some((rule, headers))
    }

    fn refusal(&self, method: &str, path: &str) -> Response<Body> {
        let kind = if path.trim_matches('/').contains('/') {
            "OBJECT"
        } else {
            "BUCKET"
        };
        let id = self.random.uuid().simple().to_string();
        let method: String = method.chars().filter(char::is_ascii_alphabetic).collect();
        let mut response = Response::new(full_body(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessForbidden</Code><Message>{NOT_ALLOWED}\
             </Message><Method>{method}</Method><ResourceType>{kind}</ResourceType><RequestId>{id}</RequestId>\
             <HostId>{id}</HostId></Error>"
        )));
        *response.status_mut() = StatusCode::FORBIDDEN;
        insert(response.headers_mut(), CONTENT_TYPE, "application/xml");
        response
    }
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    // What a configuration holds may be no header value; then the browser is told nothing.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Patterns hold at most one `*`, for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn cors() -> BucketCors {
        let writers = Rule {
            methods: words(&["PUT", "POST"]),
            origins: words(&["https://*.example.com"]),
            headers: words(&["x-amz-*", "Content-Type"]),
            expose: words(&["ETag"]),
            max_age_s: Some(60),
            ..Rule::default()
        };
        let readers = Rule {
            methods: words(&["GET"]),
            origins: words(&["*"]),
            ..Rule::default()
        };
        BucketCors {
            bucket: "lake".to_owned(),
            rules: vec![writers, readers],
            random: Random::seeded(1),
        }
    }

    fn asked(origin: &str, method: &str, headers: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method("OPTIONS")
            .uri("/lake/key")
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, method);
        if !headers.is_empty() {
            request = request.header(ACCESS_CONTROL_REQUEST_HEADERS, headers);
        }
        request.body(empty_body()).expect("a request")
    }

    #[test]
    fn the_first_rule_that_matches_answers() {
        for (origin, method, headers, allowed) in [
            (
                "https://app.example.com",
                "PUT",
                "X-Amz-Date, content-type",
                Some("https://app.example.com"),
            ),
            ("https://app.example.com", "GET", "", Some("*")),
            ("https://other.example", "GET", "", Some("*")),
            ("https://other.example", "PUT", "", None),
            ("https://app.example.com", "PUT", "authorization", None),
            ("https://example.com", "PUT", "", None),
            ("https://app.example.com", "DELETE", "", None),
            ("https://other.example", "GET", "range", None),
        ] {
            let response = cors().preflight(&asked(origin, method, headers)).expect("a preflight");
            let found = response
                .headers()
                .get(ACCESS_CONTROL_ALLOW_ORIGIN)
                .map(|value| value.to_str().expect("text"));
            assert_eq!(found, allowed, "{origin} {method} {headers}");
            let status = if allowed.is_some() { 200 } else { 403 };
            assert_eq!(response.status().as_u16(), status, "{origin} {method} {headers}");
        }
        assert!(cors().preflight(&Request::new(empty_body())).is_none());
    }

    #[test]
    fn rules_of_one_bucket_open_no_other() {
        for (source, elsewhere) in [
            ("/lake/k", false),
            ("lake/k?versionId=null", false),
            ("%2Flake%2Fk", false),
            ("/other/secret", true),
            ("/lake2/k", true),
            ("arn:aws:s3:us-east-1:000000000000:accesspoint/lake/object/k", true),
        ] {
            let request = Request::builder()
                .header("x-amz-copy-source", source)
                .body(empty_body());
            let request = request.expect("a request");
            assert_eq!(cors().copies_from_elsewhere(&request), elsewhere, "{source}");
        }
        assert!(!cors().copies_from_elsewhere(&Request::new(empty_body())));
    }

    #[test]
    fn a_wildcard_stands_for_any_characters_but_not_for_overlapping_ones() {
        for (pattern, text, matched) in [
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "axb", true),
            ("aba*aba", "aba", false),
            ("http://x", "http://x", true),
            ("http://x", "http://xy", false),
        ] {
            assert_eq!(matches(pattern, text), matched, "{pattern} {text}");
        }
    }
}
