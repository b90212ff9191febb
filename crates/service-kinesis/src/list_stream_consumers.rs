//! ListStreamConsumers: the consumers registered with a stream, by name, page by page.

use base::Millis;
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::consumers::{Consumer, describe};
use crate::shapes::named;
use crate::{Call, errors, token};

const RESULTS_DEFAULT: usize = 100;
const TOKEN_LIFE_MS: Millis = 300_000;
const PURPOSE: &str = "list consumers 1";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    next_token: Option<String>,
    max_results: Option<usize>,
    stream_creation_timestamp: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumers: Vec<Consumer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// What a NextToken says.
#[derive(Serialize, Deserialize)]
struct Next {
    uid: u64,
    after: String,
    given_ms: Millis,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let id = named(call.scope(), None, Some(&input.stream_arn))?;
    let stream = call.stream(call.scope(), Some(&id.name), None)?;
    let now_ms = call.clock.now_ms();
    if let Some(created) = input.stream_creation_timestamp
        && created.0 / 1000 != stream.created_ms / 1000
    {
        return Err(errors::stream_not_found(call.scope(), &id.name));
    }
    let after = match &input.next_token {
        None => None,
        Some(text) => {
            let next = token::open(PURPOSE, text).and_then(|content| serde_json::from_slice::<Next>(&content).ok());
            let next = next.filter(|next| next.uid == stream.uid);
            let next = next.ok_or_else(|| errors::invalid_argument("NextToken is invalid."))?;
            if now_ms - next.given_ms > TOKEN_LIFE_MS {
                return Err(errors::expired_token());
            }
            Some(next.after)
        }
    };
    let mut all: Vec<_> = stream.consumers.iter().collect();
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut rest = all
        .into_iter()
        .filter(|consumer| after.as_ref().is_none_or(|after| consumer.name > *after));
    let page: Vec<_> = rest
        .by_ref()
        .take(input.max_results.unwrap_or(RESULTS_DEFAULT))
        .collect();
    let next_token = match (rest.next(), page.last()) {
        (Some(_), Some(last)) => {
            let next = Next {
                uid: stream.uid,
                after: last.name.clone(),
                given_ms: now_ms,
            };
            Some(token::seal(
                PURPOSE,
                serde_json::to_vec(&next).map_err(AwsError::internal)?,
            ))
        }
        _ => None,
    };
    Ok(Output {
        consumers: page
            .into_iter()
            .map(|consumer| describe(call, &stream, consumer))
            .collect(),
        next_token,
    })
}
