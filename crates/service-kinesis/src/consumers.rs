//! Registered consumers: what names one, and what is told of it.

use std::sync::Arc;

use base::{Arn, Scope};
use engine_log::streams::{ConsumerInfo, Stream, StreamInfo};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::errors::invalid_argument;
use crate::shapes::{stream_arn, stream_id};
use crate::{Call, Kinesis};

/// Which consumer: by the stream's ARN and its name, or by its own ARN.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Which {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    consumer_name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Consumer {
    pub(crate) consumer_name: String,
    #[serde(rename = "ConsumerARN")]
    pub(crate) consumer_arn: String,
    pub(crate) consumer_status: &'static str,
    pub(crate) consumer_creation_timestamp: Timestamp,
}

impl Consumer {
    pub(crate) fn of(stream: &StreamInfo, consumer: &ConsumerInfo, is_ready: bool) -> Self {
        Self {
            consumer_name: consumer.name.clone(),
            consumer_arn: arn(stream, consumer),
            consumer_status: if is_ready { "ACTIVE" } else { "CREATING" },
            consumer_creation_timestamp: Timestamp(consumer.created_ms),
        }
    }
}

pub(crate) fn arn(stream: &StreamInfo, consumer: &ConsumerInfo) -> String {
    format!(
        "{}/consumer/{}:{}",
        stream_arn(stream),
        consumer.name,
        consumer.created_ms / 1000
    )
}

pub(crate) fn not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("Consumer {name}, account {} not found.", scope.account),
    )
}

/// A consumer's name and the second of its creation, from its ARN; a later one of the same name is another.
pub(crate) struct Named {
    pub(crate) stream: String,
    pub(crate) name: String,
    pub(crate) created_s: Option<i64>,
}

impl Named {
    /// `None` where the text is no ARN of a consumer.
    pub(crate) fn parse(scope: &Scope, text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        let (stream, consumer) = arn.resource_after("stream/")?.split_once("/consumer/")?;
        let (name, created) = consumer.rsplit_once(':')?;
        let is_ours = arn.region == scope.region.as_str() && arn.account == scope.account.as_str();
        is_ours.then(|| Self {
            stream: stream.to_owned(),
            name: name.to_owned(),
            created_s: created.parse().ok(),
        })
    }

    pub(crate) fn is(&self, consumer: &ConsumerInfo) -> bool {
        consumer.name == self.name && self.created_s.is_none_or(|second| second == consumer.created_ms / 1000)
    }
}

impl Which {
    pub(crate) fn named(&self, scope: &Scope) -> Result<Named, AwsError> {
        match (&self.consumer_arn, &self.stream_arn, &self.consumer_name) {
            (Some(arn), None, None) => Named::parse(scope, arn).ok_or_else(|| not_found(scope, arn)),
            (None, Some(arn), Some(name)) => Ok(Named {
                stream: crate::shapes::named(scope, None, Some(arn))?.name,
                name: name.clone(),
                created_s: None,
            }),
            _ => Err(invalid_argument(
                "Either ConsumerARN, or both StreamARN and ConsumerName, must be provided.",
            )),
        }
    }
}

impl Kinesis {
    /// The stream and the consumer registered with it.
    pub(crate) fn consumer(&self, scope: &Scope, named: &Named) -> Result<(Arc<Stream>, ConsumerInfo), AwsError> {
        let missing = || not_found(scope, &named.name);
        let stream = self.streams.get(&stream_id(scope, &named.stream)).ok_or_else(missing)?;
        let found = stream.consumers.iter().find(|consumer| named.is(consumer)).cloned();
        Ok((stream, found.ok_or_else(missing)?))
    }

    /// Whether the consumer has been there for as long as it takes to make one.
    pub(crate) fn is_ready(&self, consumer: &ConsumerInfo) -> bool {
        let delay_ms = self.streams.state_delay().as_millis() as i64;
        self.clock.now_ms() >= consumer.created_ms + delay_ms
    }
}

pub(crate) fn describe(call: &Call, stream: &StreamInfo, consumer: &ConsumerInfo) -> Consumer {
    Consumer::of(stream, consumer, call.is_ready(consumer))
}
