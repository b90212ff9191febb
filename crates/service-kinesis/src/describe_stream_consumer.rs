//! DescribeStreamConsumer: one registered consumer.

use protocol_aws::AwsError;
use serde::Serialize;

use crate::Call;
use crate::consumers::{Consumer, Which, describe};
use crate::shapes::stream_arn;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumer_description: ConsumerDescription,
}

#[derive(Serialize)]
struct ConsumerDescription {
    #[serde(flatten)]
    consumer: Consumer,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

pub(crate) async fn handle(call: &Call, input: Which) -> Result<Output, AwsError> {
    let (stream, consumer) = call.consumer(call.scope(), &input.named(call.scope())?)?;
    Ok(Output {
        consumer_description: ConsumerDescription {
            consumer: describe(call, &stream, &consumer),
            stream_arn: stream_arn(&stream),
        },
    })
}
