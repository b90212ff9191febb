//! ListDataCatalogs: the one catalog.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Call;
use crate::metadata::CATALOG;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    data_catalogs_summary: [Value; 1],
}

pub(crate) async fn handle(_: &Call, _: Input) -> Result<Output, AwsError> {
    Ok(Output {
        data_catalogs_summary: [json!({ "CatalogName": CATALOG, "Type": "GLUE" })],
    })
}
