//! What both operations on shard-level metrics share.

use std::collections::BTreeSet;

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors::ChangeError;
use crate::shapes::{active, named, stream_arn};

const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_level_metrics: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    current_shard_level_metrics: BTreeSet<String>,
    desired_shard_level_metrics: BTreeSet<String>,
}

#[derive(Clone, Copy)]
pub(crate) enum Change {
    Enable,
    Disable,
}

impl Input {
    pub(crate) async fn change(self, call: &Call, change: Change) -> Result<Output, AwsError> {
        let id = named(call.scope(), self.stream_name.as_deref(), self.stream_arn.as_deref())?;
        let before = call.stream(call.scope(), Some(&id.name), None)?;
        let named: BTreeSet<String> = match self.shard_level_metrics.iter().any(|name| name == "ALL") {
            true => METRICS.map(str::to_owned).into(),
            false => self.shard_level_metrics.into_iter().collect(),
        };
        let changed = call.streams.alter_info(&id, move |info| {
            active(info)?;
            match change {
                Change::Enable => info.shard_metrics.extend(named),
                Change::Disable => info.shard_metrics.retain(|name| !named.contains(name)),
            }
            Ok::<_, ChangeError>(())
        });
        changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
        let after = call.stream(call.scope(), Some(&id.name), None)?;
        Ok(Output {
            stream_arn: stream_arn(&after),
            current_shard_level_metrics: before.shard_metrics.clone(),
            desired_shard_level_metrics: after.shard_metrics.clone(),
            stream_name: id.name,
        })
    }
}
