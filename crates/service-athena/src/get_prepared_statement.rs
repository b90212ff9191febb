//! GetPreparedStatement: one prepared statement.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::shapes::{PreparedShape, prepared_not_found};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    statement_name: String,
    work_group: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    prepared_statement: PreparedShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let found = call.prepared(call.scope(), &input.work_group, &input.statement_name)?;
    let found = found.ok_or_else(|| prepared_not_found(&input.statement_name))?;
    Ok(Output {
        prepared_statement: found.into(),
    })
}
