//! UpdatePreparedStatement: replaces a prepared statement's text.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::PREPARED;
use crate::shapes::prepared_not_found;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    statement_name: String,
    work_group: String,
    query_statement: String,
    description: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let Input {
        statement_name,
        work_group,
        query_statement,
        description,
    } = input;
    let key = (call.scope().clone(), work_group, statement_name.clone());
    let now = call.clock.now_ms();
    let updated = call.meta.write(move |tx| {
        let Some(mut statement) = tx.get(&PREPARED, &key)? else {
            return Ok(false);
        };
        statement.query = query_statement;
        statement.modified_ms = now;
        if description.is_some() {
            statement.description = description;
        }
        tx.put(&PREPARED, &key, &statement)?;
        Ok(true)
    });
    match updated.await.map_err(errors::from_meta)? {
        true => Ok(Empty {}),
        false => Err(prepared_not_found(&statement_name)),
    }
}
