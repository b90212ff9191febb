//! BatchDeletePartition: removes several partitions, each on its own.

use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::partition_error::{PartitionError, ValueList, partition_errors};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    partitions_to_delete: Vec<ValueList>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    errors: Vec<PartitionError>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let values: Vec<_> = input.partitions_to_delete.into_iter().map(|list| list.values).collect();
    let outcomes = call
        .catalog
        .delete_partitions(scope, database, table, values.clone())
        .await;
    Ok(Output {
        errors: partition_errors(values, outcomes.map_err(from_catalog)?),
    })
}
