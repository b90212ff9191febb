//! CreatePreparedStatement: keeps a statement with question marks for its parameters.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::{PREPARED, PreparedStatement};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    statement_name: String,
    work_group: String,
    query_statement: String,
    description: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = call.scope();
    call.work_group(scope, &input.work_group)?;
    let statement = PreparedStatement {
        name: input.statement_name.clone(),
        query: input.query_statement,
        work_group: input.work_group.clone(),
        description: input.description,
        modified_ms: call.clock.now_ms(),
    };
    let key = (scope.clone(), input.work_group, input.statement_name.clone());
    let created = call.meta.write(move |tx| {
        let free = tx.get(&PREPARED, &key)?.is_none();
        if free {
            tx.put(&PREPARED, &key, &statement)?;
        }
        Ok(free)
    });
    match created.await.map_err(errors::from_meta)? {
        true => Ok(Empty {}),
        false => Err(errors::invalid(format!(
            "Prepared statement {} already exists",
            input.statement_name
        ))),
    }
}
