//! CreateNamedQuery: keeps a query under a name.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::errors;
use crate::library::{NAMED_QUERIES, NamedQuery};
use crate::work_group::PRIMARY;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    description: Option<String>,
    database: String,
    query_string: String,
    work_group: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    named_query_id: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = call.scope();
    let work_group = call
        .work_group(scope, input.work_group.as_deref().unwrap_or(PRIMARY))?
        .name;
    let named_query_id = call.random.uuid().to_string();
    let query = NamedQuery {
        name: input.name,
        description: input.description,
        database: input.database,
        query_string: input.query_string,
        named_query_id: named_query_id.clone(),
        work_group,
    };
    let key = (scope.clone(), named_query_id.clone());
    call.meta
        .write(move |tx| tx.put(&NAMED_QUERIES, &key, &query))
        .await
        .map_err(errors::from_meta)?;
    Ok(Output { named_query_id })
}
