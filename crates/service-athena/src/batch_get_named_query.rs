//! BatchGetNamedQuery: several named queries; those that are missing are named.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Call;
use crate::library::NamedQuery;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    named_query_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    named_queries: Vec<NamedQuery>,
    unprocessed_named_query_ids: Vec<Value>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let mut output = Output {
        named_queries: Vec::new(),
        unprocessed_named_query_ids: Vec::new(),
    };
    for id in input.named_query_ids {
        match call.named_query(call.scope(), &id)? {
            Some(query) => output.named_queries.push(query),
            None => output.unprocessed_named_query_ids.push(json!({
                "NamedQueryId": id,
                "ErrorCode": "INVALID_NAMED_QUERY_ID",
                "ErrorMessage": format!("NamedQuery {id} was not found"),
            })),
        }
    }
    Ok(output)
}
