//! GetNamedQuery: one named query.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::library::NamedQuery;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    named_query_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    named_query: NamedQuery,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let found = call.named_query(call.scope(), &input.named_query_id)?;
    let missing = || errors::invalid(format!("NamedQuery {} was not found", input.named_query_id));
    Ok(Output {
        named_query: found.ok_or_else(missing)?,
    })
}
