//! GetDataCatalog: the one catalog.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Call;
use crate::errors;
use crate::metadata::CATALOG;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    data_catalog: Value,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    if !input.name.eq_ignore_ascii_case(CATALOG) {
        return Err(errors::invalid(format!("DataCatalog {} was not found", input.name)));
    }
    let parameters = json!({ "catalog-id": call.scope().account.as_str() });
    Ok(Output {
        data_catalog: json!({ "Name": CATALOG, "Type": "GLUE", "Parameters": parameters }),
    })
}
