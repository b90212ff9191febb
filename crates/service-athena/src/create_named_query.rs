//! CreateNamedQuery: keeps a query under a name.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::{NAMED_QUERIES, NAMED_QUERY_TOKENS, NamedQuery};
use crate::work_group::PRIMARY;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    description: Option<String>,
    database: String,
    query_string: String,
    work_group: Option<String>,
    client_request_token: Option<String>,
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
    let token = input.client_request_token.map(|token| (scope.clone(), token));
    let scope = scope.clone();
    let kept = call.meta.write(move |tx| {
        if let Some(token) = &token {
            let earlier = tx.get(&NAMED_QUERY_TOKENS, token)?;
            let earlier = earlier
                .map(|id| tx.get(&NAMED_QUERIES, &(scope.clone(), id)))
                .transpose()?;
            if let Some(earlier) = earlier.flatten() {
                let same = NamedQuery {
                    named_query_id: earlier.named_query_id.clone(),
                    ..query
                };
                return Ok((earlier == same).then_some(earlier.named_query_id));
            }
            tx.put(&NAMED_QUERY_TOKENS, token, &named_query_id)?;
        }
        tx.put(&NAMED_QUERIES, &(scope, named_query_id.clone()), &query)?;
        Ok(Some(named_query_id))
    });
    match kept.await.map_err(errors::from_meta)? {
        Some(named_query_id) => Ok(Output { named_query_id }),
        None => Err(errors::invalid("Idempotent parameters do not match")),
    }
}
