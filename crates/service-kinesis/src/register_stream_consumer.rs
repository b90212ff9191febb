//! RegisterStreamConsumer: makes a consumer with a throughput of its own.

use std::collections::BTreeMap;

use engine_log::streams::ConsumerInfo;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::consumers::{Consumer, describe};
use crate::errors::{ChangeError, in_use, limit_exceeded};
use crate::limits::{CONSUMERS_CREATING_MAX, CONSUMERS_MAX};
use crate::shapes::named;
use crate::{Call, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    consumer_name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumer: Consumer,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let id = named(call.scope(), None, Some(&input.stream_arn))?;
    tags::check(call.scope(), &input.consumer_name, &input.tags, input.tags.len())?;
    let consumer = ConsumerInfo {
        name: input.consumer_name,
        created_ms: call.clock.now_ms(),
        tags: input.tags,
        policy: None,
    };
    let (added, state, scope) = (consumer.clone(), call.state().clone(), call.scope().clone());
    let changed = call.streams.update(&id, move |info| {
        let refused = |error| Err(ChangeError::Refused(error));
        let (name, stream, account) = (&added.name, &info.id.name, &scope.account);
        if info.consumers.iter().any(|consumer| consumer.name == *name) {
            let message = format!("Consumer {name} under stream {stream} already exists for account {account}.");
            return refused(in_use(message));
        }
        let creating = info.consumers.iter().filter(|consumer| !state.is_ready(consumer)).count();
        if state.limits.is_some() && info.consumers.len() >= CONSUMERS_MAX {
            let message = format!(
                "Stream {stream} under account {account} has reached the maximum number of consumers: {CONSUMERS_MAX}."
            );
            return refused(limit_exceeded(message));
        }
        if state.limits.is_some() && creating >= CONSUMERS_CREATING_MAX {
            let message = format!(
                "Stream {stream} under account {account} has {CONSUMERS_CREATING_MAX} consumers in CREATING state already."
            );
            return refused(limit_exceeded(message));
        }
        info.consumers.push(added);
        Ok(())
    });
    let stream = changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    Ok(Output {
        consumer: describe(call, &stream, &consumer),
    })
}
