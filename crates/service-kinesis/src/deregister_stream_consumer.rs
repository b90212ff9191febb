//! DeregisterStreamConsumer: removes a consumer and ends its subscriptions.

use protocol_aws::{AwsError, Empty};

use crate::Call;
use crate::consumers::{Which, not_found};
use crate::errors::ChangeError;
use crate::shapes::stream_id;

pub(crate) async fn handle(call: &Call, input: Which) -> Result<Empty, AwsError> {
    let named = input.named(call.scope())?;
    // A stream that is not there has no such consumer.
    call.consumer(call.scope(), &named)?;
    let id = stream_id(call.scope(), &named.stream);
    let scope = call.scope().clone();
    let changed = call.streams.update(&id, move |info| {
        let before = info.consumers.len();
        info.consumers.retain(|consumer| !named.is(consumer));
        match info.consumers.len() == before {
            true => Err(ChangeError::Refused(not_found(&scope, &named.name))),
            false => Ok(()),
        }
    });
    let stream = changed.await.map_err(|error| error.answer(call.scope(), &id.name))?;
    // Subscriptions look at what has become of their consumer.
    call.streams.log().wake(stream.partitions());
    Ok(Empty {})
}
