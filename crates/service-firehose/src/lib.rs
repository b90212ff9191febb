//! Amazon Data Firehose: the operations on delivery streams and their records, over [`engine_delivery`].
//!
//! Shapes and limits are the service model's (firehose 2015-08-04). Texts of errors are the service's own where
//! they are known from its documentation or its users' reports.

mod conversion;
mod create_delivery_stream;
mod delete_delivery_stream;
mod describe_delivery_stream;
mod destination;
mod encryption;
mod errors;
mod http_endpoint;
mod limits;
mod list_delivery_streams;
mod list_tags_for_delivery_stream;
mod merge;
mod prefixes;
mod processing;
mod put;
mod put_record;
mod put_record_batch;
mod query_keys;
mod record_id;
mod settings;
mod start_delivery_stream_encryption;
mod stop_delivery_stream_encryption;
mod tag_delivery_stream;
mod tags;
#[cfg(test)]
mod tests;
mod untag_delivery_stream;
mod update_destination;

use base::Clock;
use engine_delivery::Deliveries;
use limits::Limits;
use protocol_aws::AwsError;

/// The service's state.
pub struct Firehose {
    pub(crate) deliveries: Deliveries,
    pub(crate) clock: Clock,
    pub(crate) limits: Option<Limits>,
}

impl Firehose {
    /// A service without quotas of rate.
    pub fn new(deliveries: Deliveries) -> Self {
        let clock = deliveries.clock().clone();
        Self {
            deliveries,
            clock,
            limits: None,
        }
    }

    /// Enforces the service's quotas of rate.
    #[must_use]
    pub fn with_limits(mut self) -> Self {
        self.limits = Some(Limits::default());
        self
    }
}

pub(crate) type Call = protocol_aws::Call<Firehose>;

pub fn service(firehose: Firehose) -> protocol_aws::Service {
    protocol_aws::Service::new("firehose", firehose)
        .before(within_quota)
        .on("CreateDeliveryStream", create_delivery_stream::handle)
        .on("DeleteDeliveryStream", delete_delivery_stream::handle)
        .on("DescribeDeliveryStream", describe_delivery_stream::handle)
        .on("ListDeliveryStreams", list_delivery_streams::handle)
        .on("ListTagsForDeliveryStream", list_tags_for_delivery_stream::handle)
        .on("PutRecord", put_record::handle)
        .fast("PutRecord", put_record::fast)
        .on("PutRecordBatch", put_record_batch::handle)
        .fast("PutRecordBatch", put_record_batch::fast)
        .on(
            "StartDeliveryStreamEncryption",
            start_delivery_stream_encryption::handle,
        )
        .on("StopDeliveryStreamEncryption", stop_delivery_stream_encryption::handle)
        .on("TagDeliveryStream", tag_delivery_stream::handle)
        .on("UntagDeliveryStream", untag_delivery_stream::handle)
        .on("UpdateDestination", update_destination::handle)
        .build()
}

/// Refuses calls beyond the service's rates, where they are asked for. Puts are counted by delivery stream.
fn within_quota(call: &Call, operation: &'static str, _: &serde_json::Value) -> Result<(), AwsError> {
    let Some(limits) = call.limits.as_ref().filter(|_| !operation.starts_with("Put")) else {
        return Ok(());
    };
    match limits.call(call.scope(), operation, call.clock.now_ms()) {
        true => Ok(()),
        false => Err(errors::throttled()),
    }
}
