//! DeleteNamedQuery: removes a named query.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors;
use crate::library::NAMED_QUERIES;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    named_query_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let key = (call.scope().clone(), input.named_query_id.clone());
    match call
        .meta
        .write(move |tx| tx.delete(&NAMED_QUERIES, &key))
        .await
        .map_err(errors::from_meta)?
    {
        true => Ok(Empty {}),
        false => Err(errors::invalid(format!(
            "NamedQuery {} was not found",
            input.named_query_id
        ))),
    }
}
