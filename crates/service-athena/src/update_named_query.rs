//! UpdateNamedQuery: replaces a named query's name, description and text.

use protocol_aws::{AwsError, Empty};
use serde::Deserialize;
use store_meta::Read;

use crate::Call;
use crate::errors;
use crate::library::NAMED_QUERIES;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    named_query_id: String,
    name: String,
    description: Option<String>,
    query_string: String,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let Input {
        named_query_id,
        name,
        description,
        query_string,
    } = input;
    let key = (call.scope().clone(), named_query_id.clone());
    let updated = call.meta.write(move |tx| {
        let Some(mut query) = tx.get(&NAMED_QUERIES, &key)? else {
            return Ok(false);
        };
        query.name = name;
        query.query_string = query_string;
        if description.is_some() {
            query.description = description;
        }
        tx.put(&NAMED_QUERIES, &key, &query)?;
        Ok(true)
    });
    match updated.await.map_err(errors::from_meta)? {
        true => Ok(Empty {}),
        false => Err(errors::invalid(format!("NamedQuery {named_query_id} was not found"))),
    }
}
