//! ListDeliveryStreams: the delivery streams of the account and region, by name.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::describe_delivery_stream::type_of;

const LIMIT_DEFAULT: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    limit: Option<usize>,
    delivery_stream_type: Option<String>,
    exclusive_start_delivery_stream_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    delivery_stream_names: Vec<String>,
    has_more_delivery_streams: bool,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let after = input.exclusive_start_delivery_stream_name.as_deref();
    let all = call.deliveries.list(call.scope(), after, usize::MAX);
    let wanted = input.delivery_stream_type.as_deref();
    let mut rest = all
        .iter()
        .filter(|delivery| wanted.is_none_or(|wanted| wanted == type_of(delivery)));
    let names = rest.by_ref().take(input.limit.unwrap_or(LIMIT_DEFAULT));
    let delivery_stream_names = names.map(|delivery| delivery.name.clone()).collect();
    Ok(Output {
        delivery_stream_names,
        has_more_delivery_streams: rest.next().is_some(),
    })
}
