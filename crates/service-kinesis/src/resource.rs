//! What has a policy or tags of its own: a stream, or a consumer of one.

use std::collections::BTreeMap;

use base::Scope;
use engine_log::streams::{ConsumerInfo, StreamId, StreamInfo};
use protocol_aws::AwsError;

use crate::Call;
use crate::consumers::{self, Named};
use crate::errors::ChangeError;
use crate::shapes::{named, stream_id};

/// What an ARN names.
pub(crate) enum Resource {
    Stream(StreamId),
    Consumer(Named),
}

impl Resource {
    pub(crate) fn parse(scope: &Scope, arn: &str) -> Result<Self, AwsError> {
        match Named::parse(scope, arn) {
            Some(consumer) => Ok(Self::Consumer(consumer)),
            None => named(scope, None, Some(arn)).map(Self::Stream),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Stream(id) => &id.name,
            Self::Consumer(named) => &named.name,
        }
    }

    /// Reads of the stream or the consumer what the two functions give.
    pub(crate) fn read<T>(
        &self,
        call: &Call,
        of_stream: impl FnOnce(&StreamInfo) -> T,
        of_consumer: impl FnOnce(&ConsumerInfo) -> T,
    ) -> Result<T, AwsError> {
        match self {
            Self::Stream(id) => Ok(of_stream(&*call.stream(call.scope(), Some(&id.name), None)?)),
            Self::Consumer(named) => Ok(of_consumer(&call.consumer(call.scope(), named)?.1)),
        }
    }

    /// Changes what both have.
    pub(crate) async fn change(
        self,
        call: &Call,
        change: impl FnOnce(Own<'_>) -> Result<(), AwsError> + Send + 'static,
    ) -> Result<(), AwsError> {
        let id = match &self {
            Self::Stream(id) => id.clone(),
            Self::Consumer(named) => stream_id(call.scope(), &named.stream),
        };
        let scope = call.scope().clone();
        let changed = call.streams.update(&id, move |info| {
            let own = match &self {
                Self::Stream(_) => Own {
                    tags: &mut info.tags,
                    policy: &mut info.policy,
                },
                Self::Consumer(named) => {
                    let found = info.consumers.iter_mut().find(|consumer| named.is(consumer));
                    let missing = || ChangeError::Refused(consumers::not_found(&scope, &named.name));
                    let consumer = found.ok_or_else(missing)?;
                    Own {
                        tags: &mut consumer.tags,
                        policy: &mut consumer.policy,
                    }
                }
            };
            change(own).map_err(ChangeError::Refused)
        });
        let changed = changed.await;
        changed.map(drop).map_err(|error| error.answer(call.scope(), &id.name))
    }
}

/// What a stream and a consumer have in common.
pub(crate) struct Own<'i> {
    pub(crate) tags: &'i mut BTreeMap<String, String>,
    pub(crate) policy: &'i mut Option<String>,
}
