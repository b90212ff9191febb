//! GetPartition: one partition.

use engine_catalog::PartitionValues;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::shapes::PartitionShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    partition_values: PartitionValues,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    partition: PartitionShape,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let partition = call
        .catalog
        .partition(scope, database, table, &input.partition_values)
        .map_err(from_catalog)?;
    Ok(Output {
        partition: PartitionShape::new(scope.account.as_str(), database, table, partition),
    })
}
