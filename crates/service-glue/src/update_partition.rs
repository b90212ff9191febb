//! UpdatePartition: replaces one partition, moving it where its values change.

use engine_catalog::{PartitionSpec, PartitionValues};
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
    partition_value_list: PartitionValues,
    partition_input: PartitionSpec,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let mut partition = input.partition_input;
    if partition.values.0.is_empty() {
        partition.values = input.partition_value_list.clone();
    }
    let updated = call
        .catalog
        .update_partition(scope, database, table, input.partition_value_list, partition);
    updated.await.map_err(from_catalog)?;
    Ok(Empty {})
}
