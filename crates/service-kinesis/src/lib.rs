//! Amazon Kinesis Data Streams: the operations on streams, shards and records, over [`engine_log::streams`].

mod account;
mod add_tags_to_stream;
mod consumers;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_resource_policy;
mod delete_stream;
mod deregister_stream_consumer;
mod describe_account_settings;
mod describe_limits;
mod describe_stream;
mod describe_stream_consumer;
mod describe_stream_summary;
mod disable_enhanced_monitoring;
mod enable_enhanced_monitoring;
mod errors;
mod get_records;
mod get_resource_policy;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod iterator;
mod limits;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod merge_shards;
mod monitoring;
mod on_demand;
mod put;
mod put_record;
mod put_records;
mod put_resource_policy;
mod register_stream_consumer;
mod remove_tags_from_stream;
mod resource;
mod retention;
mod sequence;
mod shapes;
mod split_shard;
mod start_stream_encryption;
mod stop_stream_encryption;
mod subscribe_to_shard;
mod subscriptions;
mod tag_resource;
mod tags;
#[cfg(test)]
mod tests;
mod token;
mod untag_resource;
mod update_account_settings;
mod update_max_record_size;
mod update_shard_count;
mod update_stream_mode;
mod update_stream_warm_throughput;

use base::Clock;
use engine_log::streams::Streams;
use limits::Limits;
use protocol_aws::AwsError;
use store_meta::Meta;
use subscriptions::Subscriptions;

pub use iterator::iterator_is_of;

/// The service's state.
pub struct Kinesis {
    pub(crate) streams: Streams,
    pub(crate) meta: Meta,
    pub(crate) clock: Clock,
    pub(crate) limits: Option<Limits>,
    pub(crate) subscriptions: Subscriptions,
}

impl Kinesis {
    /// A service without quotas.
    pub fn new(streams: Streams, meta: Meta) -> Self {
        let clock = streams.clock().clone();
        Self {
            streams,
            meta,
            clock,
            limits: None,
            subscriptions: Subscriptions::default(),
        }
    }

    /// Enforces the service's quotas.
    #[must_use]
    pub fn with_limits(mut self) -> Self {
        self.limits = Some(Limits::default());
        self
    }
}

pub(crate) type Call = protocol_aws::Call<Kinesis>;

/// The service. On-demand streams are looked after in the background.
pub fn service(kinesis: Kinesis) -> protocol_aws::Service {
    let streams = kinesis.streams.clone();
    streams.tasks().clone().spawn(on_demand::scale(streams));
    protocol_aws::Service::new("kinesis", kinesis)
        .before(within_quota)
        .on("AddTagsToStream", add_tags_to_stream::handle)
        .on("CreateStream", create_stream::handle)
        .on(
            "DecreaseStreamRetentionPeriod",
            decrease_stream_retention_period::handle,
        )
        .on("DeleteResourcePolicy", delete_resource_policy::handle)
        .on("DeleteStream", delete_stream::handle)
        .on("DeregisterStreamConsumer", deregister_stream_consumer::handle)
        .on("DescribeAccountSettings", describe_account_settings::handle)
        .on("DescribeLimits", describe_limits::handle)
        .on("DescribeStream", describe_stream::handle)
        .on("DescribeStreamConsumer", describe_stream_consumer::handle)
        .on("DescribeStreamSummary", describe_stream_summary::handle)
        .on("DisableEnhancedMonitoring", disable_enhanced_monitoring::handle)
        .on("EnableEnhancedMonitoring", enable_enhanced_monitoring::handle)
        .on("GetRecords", get_records::handle)
        .fast("GetRecords", get_records::fast)
        .on("GetResourcePolicy", get_resource_policy::handle)
        .on("GetShardIterator", get_shard_iterator::handle)
        .on(
            "IncreaseStreamRetentionPeriod",
            increase_stream_retention_period::handle,
        )
        .on("ListShards", list_shards::handle)
        .on("ListStreamConsumers", list_stream_consumers::handle)
        .on("ListStreams", list_streams::handle)
        .on("ListTagsForResource", list_tags_for_resource::handle)
        .on("ListTagsForStream", list_tags_for_stream::handle)
        .on("MergeShards", merge_shards::handle)
        .on("PutRecord", put_record::handle)
        .fast("PutRecord", put_record::fast)
        .on("PutRecords", put_records::handle)
        .fast("PutRecords", put_records::fast)
        .on("PutResourcePolicy", put_resource_policy::handle)
        .on("RegisterStreamConsumer", register_stream_consumer::handle)
        .on("RemoveTagsFromStream", remove_tags_from_stream::handle)
        .on("SplitShard", split_shard::handle)
        .on("StartStreamEncryption", start_stream_encryption::handle)
        .on("StopStreamEncryption", stop_stream_encryption::handle)
        .on_events("SubscribeToShard", subscribe_to_shard::handle)
        .on("TagResource", tag_resource::handle)
        .on("UntagResource", untag_resource::handle)
        .on("UpdateAccountSettings", update_account_settings::handle)
        .on("UpdateMaxRecordSize", update_max_record_size::handle)
        .on("UpdateShardCount", update_shard_count::handle)
        .on("UpdateStreamMode", update_stream_mode::handle)
        .on("UpdateStreamWarmThroughput", update_stream_warm_throughput::handle)
        .build()
}

/// Refuses calls beyond the service's rates, where they are asked for.
fn within_quota(call: &Call, operation: &'static str, input: &serde_json::Value) -> Result<(), AwsError> {
    let Some(limits) = &call.limits else { return Ok(()) };
    if limits.call(call.scope(), operation, call.clock.now_ms()) {
        return Ok(());
    }
    let account = &call.scope().account;
    Err(errors::limit_exceeded(match input["StreamName"].as_str() {
        Some(stream) => format!("Rate exceeded for stream {stream} under account {account}."),
        None => format!("Rate exceeded for account {account}."),
    }))
}
