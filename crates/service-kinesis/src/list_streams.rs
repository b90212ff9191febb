//! ListStreams: the streams of the account and region, by name.

use engine_log::streams::Kind;
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::shapes::{self, StreamModeDetails, stream_arn};
use crate::{Call, errors, token};

const LIMIT_DEFAULT: usize = 100;
const PURPOSE: &str = "list streams 1";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    limit: Option<usize>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<StreamSummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    stream_creation_timestamp: Timestamp,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let after = match input.next_token {
        Some(text) => {
            let name = token::open(PURPOSE, &text).and_then(|content| String::from_utf8(content).ok());
            Some(name.ok_or_else(|| errors::invalid_argument("NextToken is invalid."))?)
        }
        None => input.exclusive_start_stream_name,
    };
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT);
    let mut streams = call.streams.list(Kind::Data, call.scope(), after.as_deref(), limit + 1);
    let has_more_streams = streams.len() > limit;
    streams.truncate(limit);
    let last = streams.last().filter(|_| has_more_streams);
    Ok(Output {
        next_token: last.map(|stream| token::seal(PURPOSE, stream.id.name.clone().into_bytes())),
        has_more_streams,
        stream_names: streams.iter().map(|stream| stream.id.name.clone()).collect(),
        stream_summaries: streams
            .iter()
            .map(|stream| StreamSummary {
                stream_name: stream.id.name.clone(),
                stream_arn: stream_arn(stream),
                stream_status: shapes::status(stream.status),
                stream_mode_details: StreamModeDetails::of(stream.mode),
                stream_creation_timestamp: shapes::created(stream),
            })
            .collect(),
    })
}
