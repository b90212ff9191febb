//! GetWorkGroup: one work group.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::work_group::WorkGroupShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    work_group: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    work_group: WorkGroupShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    Ok(Output {
        work_group: call.work_group(call.scope(), &input.work_group)?.into(),
    })
}
