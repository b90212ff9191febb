//! ListEngineVersions: the one engine version.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Call;
use crate::work_group::ENGINE_VERSION;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    engine_versions: [Value; 1],
}

pub(crate) async fn handle(_: &Call, _: Input) -> Result<Output, AwsError> {
    let version = json!({ "SelectedEngineVersion": ENGINE_VERSION, "EffectiveEngineVersion": ENGINE_VERSION });
    Ok(Output {
        engine_versions: [version],
    })
}
