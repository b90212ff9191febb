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

use engine_delivery::Deliveries;

/// The service's state.
pub struct Firehose {
    pub(crate) deliveries: Deliveries,
}

impl Firehose {
    pub fn new(deliveries: Deliveries) -> Self {
        Self { deliveries }
    }
}

pub(crate) type Call = protocol_aws::Call<Firehose>;

pub fn service(firehose: Firehose) -> protocol_aws::Service {
    protocol_aws::Service::new("firehose", firehose)
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
