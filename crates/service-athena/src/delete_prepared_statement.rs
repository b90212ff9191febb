//! DeletePreparedStatement: removes a prepared statement.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::errors;
use crate::library::PREPARED;
use crate::shapes::prepared_not_found;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    statement_name: String,
    work_group: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let key = (call.scope().clone(), input.work_group, input.statement_name.clone());
    match call
        .meta
        .write(move |tx| tx.delete(&PREPARED, &key))
        .await
        .map_err(errors::from_meta)?
    {
        true => Ok(Empty {}),
        false => Err(prepared_not_found(&input.statement_name)),
    }
}
