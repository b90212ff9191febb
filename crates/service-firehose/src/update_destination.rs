//! UpdateDestination: changes where and how records are delivered.

use protocol_aws::{AwsError, Empty};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::destination::{DESTINATION_ID, S3Destination, compact, parse};
use crate::errors::{invalid_argument, not_yet};
use crate::http_endpoint::HttpDestination;
use crate::merge::merge;
use crate::settings::{Config, warn_of_missing_delimiter};
use crate::{Call, errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    delivery_stream_name: String,
    current_delivery_stream_version_id: String,
    destination_id: String,
    s3_destination_update: Option<Value>,
    extended_s3_destination_update: Option<Value>,
    redshift_destination_update: Option<Value>,
    elasticsearch_destination_update: Option<Value>,
    amazonopensearchservice_destination_update: Option<Value>,
    amazon_open_search_serverless_destination_update: Option<Value>,
    splunk_destination_update: Option<Value>,
    http_endpoint_destination_update: Option<Value>,
    snowflake_destination_update: Option<Value>,
    iceberg_destination_update: Option<Value>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let (scope, name) = (call.scope(), &input.delivery_stream_name);
    let failed = |error| errors::from_delivery(scope, name, error);
    let delivery = call.deliveries.get(scope, name).map_err(failed)?;
    // A version too large to be read is none that there is.
    let version: u64 = input.current_delivery_stream_version_id.parse().unwrap_or(u64::MAX);
    if version != delivery.version {
        return Err(failed(engine_delivery::DeliveryError::VersionMismatch {
            expected: version,
            current: delivery.version,
        }));
    }
    if input.destination_id != DESTINATION_ID {
        return Err(invalid_argument(format!(
            "Destination Id {} not found",
            input.destination_id
        )));
    }
    let config = input.applied_to(Config::of(&delivery)?)?;
    let spec = config.spec(scope, name)?;
    if delivery.spec.backup.is_some() && spec.backup.is_none() {
        return Err(invalid_argument("S3BackupMode can not be disabled once it is enabled."));
    }
    let changed = call
        .deliveries
        .update(scope, name, version, spec.clone(), compact(&config));
    changed.await.map_err(failed)?;
    warn_of_missing_delimiter(name, &spec);
    Ok(Empty {})
}

fn merged<T: Serialize + DeserializeOwned>(kept: &T, update: &T) -> Result<T, AwsError> {
    let mut merged = compact(kept);
    merge(&mut merged, compact(update));
    parse(merged)
}

impl Input {
    /// What the update makes of a configuration. Nothing is taken over from a destination of another type.
    fn applied_to(&self, config: Config) -> Result<Config, AwsError> {
        let s3_update: S3Destination = parse(self.s3_update()?)?;
        let http_update: Option<HttpDestination> = match &self.http_endpoint_destination_update {
            Some(update) => Some(parse(update.clone())?),
            None => None,
        };
        if config.http_endpoint.is_some() != http_update.is_some() {
            s3_update.check_is_whole()?;
            return Ok(Config {
                destination: s3_update,
                http_endpoint: http_update,
                ..config
            });
        }
        Ok(Config {
            destination: merged(&config.destination, &s3_update)?,
            http_endpoint: match (&config.http_endpoint, &http_update) {
                (Some(http), Some(update)) => Some(merged(http, update)?),
                _ => None,
            },
            ..config
        })
    }

    fn s3_update(&self) -> Result<Value, AwsError> {
        let others = [
            &self.redshift_destination_update,
            &self.elasticsearch_destination_update,
            &self.amazonopensearchservice_destination_update,
            &self.amazon_open_search_serverless_destination_update,
            &self.splunk_destination_update,
            &self.snowflake_destination_update,
            &self.iceberg_destination_update,
        ];
        let http = self.http_endpoint_destination_update.as_ref();
        let http = http.map(|http| match &http["S3Update"] {
            Value::Null => json!({}),
            update => update.clone(),
        });
        let s3 = [
            self.s3_destination_update.clone(),
            self.extended_s3_destination_update.clone(),
            http,
        ];
        let mut s3 = s3.into_iter().flatten();
        let others = others.into_iter().flatten().count();
        match (s3.next(), s3.next(), others) {
            (Some(update), None, 0) => Ok(update),
            (None, None, 1) => Err(not_yet("deliver to anything but Amazon S3 and HTTP endpoints")),
            _ => Err(invalid_argument(
                "Exactly one destination configuration is supported for a Firehose",
            )),
        }
    }
}
