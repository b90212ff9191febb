//! Amazon Kinesis Data Streams: the operations on streams, shards and records, over [`engine_log::streams`].

mod add_tags_to_stream;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_stream;
mod describe_limits;
mod describe_stream;
mod describe_stream_summary;
mod errors;
mod get_records;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod iterator;
mod list_shards;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod put;
mod put_record;
mod put_records;
mod remove_tags_from_stream;
mod retention;
mod sequence;
mod shapes;
mod tag_resource;
mod tags;
#[cfg(test)]
mod tests;
mod token;
mod untag_resource;
mod update_stream_mode;

use base::Clock;
use engine_log::streams::Streams;

/// The service's state.
pub struct Kinesis {
    pub(crate) streams: Streams,
    pub(crate) clock: Clock,
}

impl Kinesis {
    pub fn new(streams: Streams) -> Self {
        let clock = streams.clock().clone();
        Self { streams, clock }
    }
}

pub(crate) type Call = protocol_aws::Call<Kinesis>;

pub fn service(kinesis: Kinesis) -> protocol_aws::Service {
    protocol_aws::Service::new("kinesis", kinesis)
        .on("AddTagsToStream", add_tags_to_stream::handle)
        .on("CreateStream", create_stream::handle)
        .on(
            "DecreaseStreamRetentionPeriod",
            decrease_stream_retention_period::handle,
        )
        .on("DeleteStream", delete_stream::handle)
        .on("DescribeLimits", describe_limits::handle)
        .on("DescribeStream", describe_stream::handle)
        .on("DescribeStreamSummary", describe_stream_summary::handle)
        .on("GetRecords", get_records::handle)
        .fast("GetRecords", get_records::fast)
        .on("GetShardIterator", get_shard_iterator::handle)
        .on(
            "IncreaseStreamRetentionPeriod",
            increase_stream_retention_period::handle,
        )
        .on("ListShards", list_shards::handle)
        .on("ListStreams", list_streams::handle)
        .on("ListTagsForResource", list_tags_for_resource::handle)
        .on("ListTagsForStream", list_tags_for_stream::handle)
        .on("PutRecord", put_record::handle)
        .fast("PutRecord", put_record::fast)
        .on("PutRecords", put_records::handle)
        .fast("PutRecords", put_records::fast)
        .on("RemoveTagsFromStream", remove_tags_from_stream::handle)
        .on("TagResource", tag_resource::handle)
        .on("UntagResource", untag_resource::handle)
        .on("UpdateStreamMode", update_stream_mode::handle)
        .build()
}
