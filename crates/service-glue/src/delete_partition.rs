//! DeletePartition: removes one partition.

use engine_catalog::PartitionValues;
use protocol_aws::{AwsError, Empty};
use serde::Deserialize;

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    partition_values: PartitionValues,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let deleted = call
        .catalog
        .delete_partitions(scope, database, table, vec![input.partition_values])
        .await;
    deleted
        .map_err(from_catalog)?
        .into_iter()
        .collect::<Result<(), _>>()
        .map_err(from_catalog)?;
    Ok(Empty {})
}
