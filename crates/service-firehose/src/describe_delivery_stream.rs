//! DescribeDeliveryStream: a delivery stream as it was asked for, with the service's defaults.

use base::Scope;
use engine_delivery::{Delivery, Source};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::destination::DESTINATION_ID;
use crate::encryption::EncryptionDescription;
use crate::settings::{Config, DirectPutSource};
use crate::{Call, errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    exclusive_start_destination_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    delivery_stream_description: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    delivery_stream_name: String,
    #[serde(rename = "DeliveryStreamARN")]
    delivery_stream_arn: String,
    delivery_stream_status: &'static str,
    /// Direct puts only are encrypted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_stream_encryption_configuration: Option<EncryptionDescription>,
    delivery_stream_type: &'static str,
    version_id: String,
    create_timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceDescription>,
    destinations: Vec<Destination>,
    has_more_destinations: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
enum SourceDescription {
    DirectPutSourceDescription(DirectPutSource),
    KinesisStreamSourceDescription(KinesisStreamSourceDescription),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisStreamSourceDescription {
    #[serde(rename = "KinesisStreamARN")]
    kinesis_stream_arn: String,
    #[serde(rename = "RoleARN")]
    role_arn: String,
    delivery_start_timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    destination_id: &'static str,
    #[serde(flatten)]
    descriptions: Map<String, Value>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let (scope, name) = (call.scope(), &input.delivery_stream_name);
    let failed = |error| errors::from_delivery(scope, name, error);
    let delivery = call.deliveries.get(scope, name).map_err(failed)?;
    let encryption = match delivery.spec.source {
        Source::DirectPut => Some(EncryptionDescription::of(
            call.deliveries.encryption_key(scope, name).map_err(failed)?,
        )),
        Source::Stream { .. } => None,
    };
    let config = Config::of(&delivery)?;
    let destination = config.destination.with_defaults(scope);
    let after = input.exclusive_start_destination_id;
    let shown = after.is_none_or(|after| after.as_str() < DESTINATION_ID);
    let descriptions = match &config.http_endpoint {
        Some(http) => vec![("HttpEndpointDestinationDescription", http.describe(&destination))],
        None => vec![
            ("S3DestinationDescription", destination.describe_plain()),
            ("ExtendedS3DestinationDescription", destination.describe()),
        ],
    };
    let descriptions = descriptions.into_iter().map(|(name, value)| (name.to_owned(), value));
    let destinations = shown.then(|| Destination {
        destination_id: DESTINATION_ID,
        descriptions: descriptions.collect(),
    });
    Ok(Output {
        delivery_stream_description: Description {
            delivery_stream_name: delivery.name.clone(),
            delivery_stream_arn: arn(scope, name),
            delivery_stream_status: "ACTIVE",
            delivery_stream_encryption_configuration: encryption,
            delivery_stream_type: type_of(&delivery),
            version_id: delivery.version.to_string(),
            create_timestamp: Timestamp(delivery.created_ms),
            last_update_timestamp: (delivery.version > 1).then_some(Timestamp(delivery.updated_ms)),
            source: source(&delivery, config),
            destinations: destinations.into_iter().collect(),
            has_more_destinations: false,
        },
    })
}

fn source(delivery: &Delivery, config: Config) -> Option<SourceDescription> {
    if let Some(source) = config.kinesis_stream_source {
        return Some(SourceDescription::KinesisStreamSourceDescription(
            KinesisStreamSourceDescription {
                kinesis_stream_arn: source.kinesis_stream_arn,
                role_arn: source.role_arn,
                delivery_start_timestamp: Timestamp(delivery.created_ms),
            },
        ));
    }
    config
        .direct_put_source
        .map(SourceDescription::DirectPutSourceDescription)
}

pub(crate) fn type_of(delivery: &Delivery) -> &'static str {
    match delivery.spec.source {
        Source::DirectPut => "DirectPut",
        Source::Stream { .. } => "KinesisStreamAsSource",
    }
}

pub(crate) fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("firehose", format_args!("deliverystream/{name}")).to_string()
}
