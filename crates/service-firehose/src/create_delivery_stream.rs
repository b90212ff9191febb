//! CreateDeliveryStream: makes a delivery stream and sets it going.

use std::collections::BTreeMap;

use engine_delivery::NewDelivery;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::destination::{compact, parse};
use crate::encryption::EncryptionInput;
use crate::errors::{invalid_argument, limit_exceeded, not_yet};
use crate::settings::{Config, DirectPutSource, KinesisStreamSource, warn_of_missing_delimiter};
use crate::tags::Tag;
use crate::{Call, errors, tags};

/// An account's delivery streams in a region.
const STREAMS_MAX: usize = 5_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    delivery_stream_type: Option<String>,
    direct_put_source_configuration: Option<DirectPutSource>,
    kinesis_stream_source_configuration: Option<KinesisStreamSource>,
    delivery_stream_encryption_configuration_input: Option<EncryptionInput>,
    s3_destination_configuration: Option<Value>,
    extended_s3_destination_configuration: Option<Value>,
    redshift_destination_configuration: Option<Value>,
    elasticsearch_destination_configuration: Option<Value>,
    amazonopensearchservice_destination_configuration: Option<Value>,
    amazon_open_search_serverless_destination_configuration: Option<Value>,
    splunk_destination_configuration: Option<Value>,
    http_endpoint_destination_configuration: Option<Value>,
    snowflake_destination_configuration: Option<Value>,
    iceberg_destination_configuration: Option<Value>,
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
pub(crate) struct Output {
    #[serde(rename = "DeliveryStreamARN")]
    delivery_stream_arn: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let (scope, name) = (call.scope(), input.delivery_stream_name.clone());
    let kinesis_stream_source = match input.delivery_stream_type.as_deref() {
        None | Some("DirectPut") if input.kinesis_stream_source_configuration.is_some() => {
            return Err(invalid_argument(
                "KinesisStreamSourceConfiguration can only be specified when DeliveryStreamType is KinesisStreamAsSource.",
            ));
        }
        None | Some("DirectPut") => None,
        Some("KinesisStreamAsSource") => Some(input.kinesis_stream_source_configuration.clone().ok_or_else(|| {
            invalid_argument("KinesisSourceStreamConfig is mandatory for KinesisStreamAsSource stream type.")
        })?),
        Some(other) => return Err(not_yet(&format!("deliver from {other}"))),
    };
    let config = Config {
        direct_put_source: input
            .direct_put_source_configuration
            .clone()
            .filter(|_| kinesis_stream_source.is_none()),
        kinesis_stream_source,
        destination: parse(input.s3_destination()?)?,
        http_endpoint: match &input.http_endpoint_destination_configuration {
            Some(http) => Some(parse(http.clone())?),
            None => None,
        },
    };
    let encryption_key = match input.delivery_stream_encryption_configuration_input {
        Some(_) if config.kinesis_stream_source.is_some() => return Err(errors::not_for_streams()),
        Some(encryption) => Some(encryption.key()?),
        None => None,
    };
    let spec = config.spec(scope, &name)?;
    let mut tags = BTreeMap::new();
    tags::add(scope, &name, &mut tags, input.tags.unwrap_or_default())?;
    if call.deliveries.list(scope, None, STREAMS_MAX).len() == STREAMS_MAX {
        return Err(limit_exceeded(format!(
            "You have already consumed your firehose quota of {STREAMS_MAX} hoses."
        )));
    }
    let new = NewDelivery {
        scope: scope.clone(),
        name: name.clone(),
        spec: spec.clone(),
        config: compact(&config),
        tags,
        encryption_key,
    };
    call.deliveries
        .create(new)
        .await
        .map_err(|error| errors::from_delivery(scope, &name, error))?;
    warn_of_missing_delimiter(&name, &spec);
    Ok(Output {
        delivery_stream_arn: crate::describe_delivery_stream::arn(scope, &name),
    })
}

impl Input {
    /// The S3 part of the one destination, if it is one that catchment delivers to.
    fn s3_destination(&self) -> Result<Value, AwsError> {
        let others = [
            (&self.redshift_destination_configuration, "Amazon Redshift"),
            (
                &self.elasticsearch_destination_configuration,
                "Amazon OpenSearch Service",
            ),
            (
                &self.amazonopensearchservice_destination_configuration,
                "Amazon OpenSearch Service",
            ),
            (
                &self.amazon_open_search_serverless_destination_configuration,
                "Amazon OpenSearch Serverless",
            ),
            (&self.splunk_destination_configuration, "Splunk"),
            (&self.snowflake_destination_configuration, "Snowflake"),
            (&self.iceberg_destination_configuration, "Apache Iceberg tables"),
        ];
        let http = self.http_endpoint_destination_configuration.as_ref();
        let http = http.map(|http| &http["S3Configuration"]);
        let s3 = [
            self.s3_destination_configuration.as_ref(),
            self.extended_s3_destination_configuration.as_ref(),
            http,
        ];
        let mut s3 = s3.into_iter().flatten();
        let mut others = others.iter().filter(|(given, _)| given.is_some());
        match (s3.next(), s3.next(), others.next(), others.next()) {
            (Some(destination), None, None, None) => Ok(destination.clone()),
            (None, None, Some((_, other)), None) => Err(not_yet(&format!("deliver to {other}"))),
            _ => Err(invalid_argument(
                "Exactly one destination configuration is supported for a Firehose",
            )),
        }
    }
}
