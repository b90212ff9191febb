//! UpdateStreamWarmThroughput: keeps an on-demand stream ready for a throughput.

use engine_log::streams::Mode;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors::{ChangeError, validation_of};
use crate::shapes::{WarmThroughput, active, named, stream_arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_throughput: Option<WarmThroughput>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let id = named(call.scope(), input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let changed = call.streams.alter_info(&id, move |info| {
        active(info)?;
        if info.mode != Mode::OnDemand {
            let message = format!(
                "Request is invalid. Stream {} under account {} is not in On-Demand mode.",
                info.id.name, info.id.scope.account
            );
            return Err(ChangeError::Refused(validation_of(message)));
        }
        info.warm_throughput_mibps = Some(input.warm_throughput_mibps);
        Ok(())
    });
    changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    let stream = call.stream(call.scope(), Some(&id.name), None)?;
    Ok(Output {
        stream_arn: stream_arn(&stream),
        warm_throughput: WarmThroughput::of(&stream),
        stream_name: id.name,
    })
}
