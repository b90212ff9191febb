//! Virtual-host style: the bucket in the host name.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// `bucket.localhost`, `bucket.s3.localhost`, `bucket.s3.eu-west-1.amazonaws.com` and `bucket.s3.any.domain`
/// name a bucket; every other host is path style, so that the server may have any name.
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(without_port(host));
        Ok(match bucket(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

/// The bucket that a Host header names.
pub(crate) fn bucket(host: &str) -> Option<String> {
    bucket_of(without_port(host)).map(str::to_ascii_lowercase)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn bucket_of(host: &str) -> Option<&str> {
    if host.starts_with("s3.") || host.starts_with("s3-") && host.ends_with(".amazonaws.com") {
        return None;
    }
    let before_s3 = host
        .rfind(".s3.")
        .or_else(|| host.rfind(".s3-").filter(|_| host.ends_with(".amazonaws.com")));
    before_s3
        .map(|at| &host[..at])
        .or_else(|| host.strip_suffix(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::bucket_of;

    #[test]
    fn hosts_name_buckets_or_do_not() {
        for (host, bucket) in [
            ("localhost", None),
            ("s3.localhost", None),
            ("s3.eu-west-1.amazonaws.com", None),
            ("s3-eu-west-1.amazonaws.com", None),
            ("data.example.com", None),
            ("lake.localhost", Some("lake")),
            ("my.lake.localhost", Some("my.lake")),
            ("lake.s3.localhost", Some("lake")),
            ("lake.s3.localhost.localstack.cloud", Some("lake")),
            ("lake.s3.eu-west-1.amazonaws.com", Some("lake")),
            ("lake.s3-eu-west-1.amazonaws.com", Some("lake")),
            ("a.s3.b.s3.data.example.com", Some("a.s3.b")),
        ] {
            assert_eq!(bucket_of(host), bucket, "{host}");
        }
    }
}
