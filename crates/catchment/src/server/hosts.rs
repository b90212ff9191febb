//! The names that a server without access keys answers to. A page can have a name of its own resolve to our
//! address and then call us as its own site; that name is in the Host header of what it sends.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response};
use protocol_aws::Body;

use super::cors::refusal;

/// Names that resolve to loopback or that AWS clients use, and all below them.
const ALLOWED: [&str; 3] = ["localhost", "localhost.localstack.cloud", "amazonaws.com"];

pub(super) struct Hosts {
    configured: Vec<String>,
    believes_anyone: bool,
}

impl Hosts {
    pub(super) fn new(configured: &[String], believes_anyone: bool) -> Self {
        Self {
            configured: configured.to_vec(),
            believes_anyone,
        }
    }

    /// The answer to a request for a host that is not ours. Browsers always name one.
    pub(super) fn refuse(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if !self.believes_anyone {
            return None;
        }
        let host = match (request.headers().get(HOST), request.uri().authority()) {
            (Some(host), _) => host.to_str().ok(),
            (None, authority) => Some(authority?.as_str()),
        };
        let allowed = host.and_then(|host| host.parse::<Authority>().ok());
        if allowed.is_some_and(|host| self.allows(host.host())) {
            return None;
        }
        Some(refusal(
            "This host is not known here. Without access keys the server answers to IP addresses, localhost and \
             *.amazonaws.com only; start it with --allowed-host to add a name.\n",
        ))
    }

    fn allows(&self, host: &str) -> bool {
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return true;
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let configured = self.configured.iter().map(String::as_str);
        ALLOWED.into_iter().chain(configured).any(|allowed| {
            let below = host.strip_suffix(&allowed.to_ascii_lowercase());
            allowed == "*" || below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use protocol_aws::empty_body;

    use super::*;

    #[test]
    fn only_our_own_names_are_answered_without_keys() {
        for (host, configured, allowed) in [
            ("localhost:4566", "", true),
            ("127.0.0.1:4566", "", true),
            ("192.168.1.5", "", true),
            ("[::1]:4566", "", true),
            ("lake.localhost:4566", "", true),
            ("kinesis.localhost.localstack.cloud:4566", "", true),
            ("lake.s3.eu-west-1.amazonaws.com", "", true),
            ("LOCALHOST.", "", true),
            ("evil.example:4566", "", false),
            ("notlocalhost", "", false),
            ("localhost.evil.example", "", false),
            ("", "", false),
            ("a b", "", false),
            ("data.example.com:4566", "data.example.com", true),
            ("lake.data.example.com", "data.example.com", true),
            ("baddata.example.com", "data.example.com", false),
            ("evil.example", "*", true),
        ] {
            let configured: Vec<String> = Some(configured.to_owned())
                .filter(|name| !name.is_empty())
                .into_iter()
                .collect();
            let request = Request::builder()
                .header(HOST, host)
                .body(empty_body())
                .expect("a request");
            let refused = Hosts::new(&configured, true).refuse(&request).is_some();
            assert_eq!(refused, !allowed, "{host}");
            assert!(Hosts::new(&configured, false).refuse(&request).is_none(), "{host}");
        }
        let bare = Request::new(empty_body());
        assert!(Hosts::new(&[], true).refuse(&bare).is_none());
    }
}
