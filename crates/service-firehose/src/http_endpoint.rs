//! The HTTP endpoint destination as callers write it, at creation and in updates, and as it is described back. Its
//! `S3Configuration` is kept as the S3 destination is.

use base::{Millis, Scope};
use engine_delivery::{Destination, HttpEndpoint, StreamDestination};
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::destination::{
    BufferingHints, CloudWatchLoggingOptions, ProcessingConfiguration, RetryOptions, S3Destination, compact,
};
use crate::errors::{invalid_argument, not_yet};

const SIZE_MIB_DEFAULT: u64 = 5;
const INTERVAL_SECONDS_DEFAULT: u64 = 300;
const RETRY_SECONDS_DEFAULT: u64 = 300;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HttpDestination {
    pub(crate) endpoint_configuration: Option<Endpoint>,
    pub(crate) buffering_hints: Option<BufferingHints>,
    pub(crate) cloud_watch_logging_options: Option<CloudWatchLoggingOptions>,
    pub(crate) request_configuration: Option<RequestConfiguration>,
    pub(crate) processing_configuration: Option<ProcessingConfiguration>,
    #[serde(rename = "RoleARN")]
    pub(crate) role_arn: Option<String>,
    pub(crate) retry_options: Option<RetryOptions>,
    pub(crate) s3_backup_mode: Option<String>,
    pub(crate) secrets_manager_configuration: Option<SecretsManager>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) name: Option<String>,
    pub(crate) access_key: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RequestConfiguration {
    pub(crate) content_encoding: Option<String>,
    pub(crate) common_attributes: Option<Vec<CommonAttribute>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CommonAttribute {
    attribute_name: String,
    attribute_value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SecretsManager {
    #[serde(rename = "SecretARN")]
    secret_arn: Option<String>,
    #[serde(rename = "RoleARN")]
    role_arn: Option<String>,
    enabled: bool,
}

impl HttpDestination {
    /// With all that the service fills in where the caller says nothing.
    pub(crate) fn with_defaults(&self) -> Self {
        let mut full = self.clone();
        let hints = full.buffering_hints.get_or_insert_default();
        hints.size_in_mbs.get_or_insert(SIZE_MIB_DEFAULT);
        hints.interval_in_seconds.get_or_insert(INTERVAL_SECONDS_DEFAULT);
        let logging = full.cloud_watch_logging_options.get_or_insert_default();
        logging.enabled.get_or_insert(false);
        let request = full.request_configuration.get_or_insert_default();
        request.content_encoding.get_or_insert_with(|| "NONE".into());
        let retry = full.retry_options.get_or_insert_default();
        retry.duration_in_seconds.get_or_insert(RETRY_SECONDS_DEFAULT);
        full.s3_backup_mode.get_or_insert_with(|| "FailedDataOnly".into());
        full
    }

    /// Whether all source records go to the bucket, not only those that the endpoint does not take.
    pub(crate) fn keeps_all(&self) -> bool {
        self.s3_backup_mode.as_deref() == Some("AllData")
    }

    /// HttpEndpointDestinationDescription, which does not show the access key.
    pub(crate) fn describe(&self, s3: &S3Destination) -> Value {
        let mut shown = self.with_defaults();
        if let Some(endpoint) = &mut shown.endpoint_configuration {
            endpoint.access_key = None;
        }
        let mut description = compact(&shown);
        description["S3DestinationDescription"] = s3.describe_plain();
        description
    }

    /// What the engine is to do. All defaults are filled in.
    pub(crate) fn destination(&self, scope: &Scope, delivery_stream: &str) -> Result<Destination, AwsError> {
        let endpoint = self.endpoint_configuration.as_ref();
        let endpoint = endpoint.ok_or_else(|| invalid_argument("EndpointConfiguration must not be null"))?;
        let Ok(url) = endpoint.url.parse::<Url>() else {
            return Err(invalid_argument(format!("Url {} is invalid", endpoint.url)));
        };
        match kinesis_region(&url) {
            Some(region) => self.stream(&url, region, scope).map(Destination::Stream),
            None => self.endpoint(endpoint, scope, delivery_stream).map(Destination::Http),
        }
    }

    fn retry_ms(&self) -> Millis {
        let seconds = self.retry_options.as_ref().and_then(|retry| retry.duration_in_seconds);
        seconds.unwrap_or(RETRY_SECONDS_DEFAULT) as Millis * 1000
    }

    /// The data stream that a URL of Kinesis names by its path.
    fn stream(&self, url: &Url, region: &str, caller: &Scope) -> Result<StreamDestination, AwsError> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let name = url.path().trim_start_matches('/');
        if !(1..=128).contains(&name.len()) || !name.bytes().all(letter) {
            return Err(invalid_argument(format!(
                "Url {url} does not name a data stream; https://kinesis.{region}.amazonaws.com/my-stream would"
            )));
        }
        let request = self.request_configuration.clone().unwrap_or_default();
        let attributes = request.common_attributes.unwrap_or_default();
        if request.content_encoding.as_deref() == Some("GZIP") || !attributes.is_empty() {
            return Err(invalid_argument(format!(
                "RequestConfiguration has no meaning for records that go to the data stream {name}"
            )));
        }
        let region = region
            .parse()
            .map_err(|_| invalid_argument(format!("Url {url} has no region")))?;
        Ok(StreamDestination {
            scope: Scope {
                region,
                ..caller.clone()
            },
            name: name.to_owned(),
            retry_ms: self.retry_ms(),
        })
    }

    fn endpoint(&self, endpoint: &Endpoint, scope: &Scope, delivery_stream: &str) -> Result<HttpEndpoint, AwsError> {
        let secrets = self.secrets_manager_configuration.as_ref();
        if secrets.is_some_and(|secrets| secrets.enabled) {
            return Err(not_yet(
                "read access keys from Secrets Manager (SecretsManagerConfiguration)",
            ));
        }
        let request = self.request_configuration.clone().unwrap_or_default();
        let attributes = request.common_attributes.unwrap_or_default().into_iter();
        let attributes: Vec<_> = attributes
            .map(|attribute| (attribute.attribute_name, attribute.attribute_value))
            .collect();
        for (index, (name, _)) in attributes.iter().enumerate() {
            if attributes[..index].iter().any(|(before, _)| before == name) {
                return Err(invalid_argument(format!("CommonAttributes has {name} more than once")));
            }
        }
        Ok(HttpEndpoint {
            url: endpoint.url.clone(),
            access_key: endpoint.access_key.clone().filter(|key| !key.is_empty()),
            gzip: request.content_encoding.as_deref() == Some("GZIP"),
            attributes,
            retry_ms: self.retry_ms(),
            source: crate::describe_delivery_stream::arn(scope, delivery_stream),
        })
    }
}

/// The region of a URL of Kinesis' own, which speaks no protocol of HTTP endpoints: records go to a data stream here.
fn kinesis_region(url: &Url) -> Option<&str> {
    let host = url.host_str()?.strip_prefix("kinesis.")?;
    host.strip_suffix(".amazonaws.com")
        .filter(|region| !region.contains('.'))
}
