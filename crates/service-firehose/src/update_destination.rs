//! UpdateDestination: changes where and how records are delivered.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
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
    let s3_update: S3Destination = parse(input.s3_update()?)?;
    let mut config = Config::of(&delivery)?;
    let mut destination = compact(&config.destination);
    merge(&mut destination, compact(&s3_update));
    config.destination = parse(destination)?;
    config.http_endpoint = match (config.http_endpoint, &input.http_endpoint_destination_update) {
        (Some(http), Some(update)) => {
            let update: HttpDestination = parse(update.clone())?;
            let mut http = compact(&http);
            merge(&mut http, compact(&update));
            Some(parse(http)?)
        }
        (None, None) => None,
        _ => {
            return Err(invalid_argument(
                "The destination type of a Firehose can not be changed by UpdateDestination.",
            ));
        }
    };
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

impl Input {
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
