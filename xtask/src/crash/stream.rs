//! Reading a whole data stream.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::server::Server;

/// The ids of a stream's shards, closed ones too.
pub(super) fn shards(server: &Server, stream: &str) -> Result<Vec<String>> {
    let mut shards = Vec::new();
    let mut input = json!({ "StreamName": stream });
    loop {
        let answer = server.call("ListShards", &input)?;
        let page = answer["Shards"].as_array().into_iter().flatten();
        shards.extend(page.filter_map(|shard| shard["ShardId"].as_str().map(str::to_owned)));
        match answer["NextToken"].as_str() {
            Some(token) => input = json!({ "NextToken": token }),
            None => return Ok(shards),
        }
    }
}

/// Hands out the records of a shard, from the first on.
pub(super) fn read(
    server: &Server,
    stream: &str,
    shard: &str,
    mut each: impl FnMut(&Value) -> Result<()>,
) -> Result<()> {
    let input = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let mut iterator = server.call("GetShardIterator", &input)?["ShardIterator"].clone();
    loop {
        let answer = server.call("GetRecords", &json!({ "ShardIterator": iterator }))?;
        let records = answer["Records"].as_array().context("no records")?;
        records.iter().try_for_each(&mut each)?;
        if answer["NextShardIterator"].is_null() || answer["MillisBehindLatest"] == 0 && records.is_empty() {
            return Ok(());
        }
        iterator = answer["NextShardIterator"].clone();
    }
}
