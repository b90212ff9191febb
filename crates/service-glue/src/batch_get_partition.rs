//! BatchGetPartition: several partitions by their values; those that are missing are left out.

use engine_catalog::CatalogError;
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::from_catalog;
use crate::partition_error::ValueList;
use crate::shapes::PartitionShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    partitions_to_get: Vec<ValueList>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    partitions: Vec<PartitionShape>,
    unprocessed_keys: [(); 0],
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    call.catalog.table(scope, database, table).map_err(from_catalog)?;
    let mut partitions = Vec::new();
    for ValueList { values } in input.partitions_to_get {
        match call.catalog.partition(scope, database, table, &values) {
            Ok(partition) => {
                partitions.push(PartitionShape::new(scope.account.as_str(), database, table, partition));
            }
            Err(CatalogError::PartitionNotFound { .. }) => {}
            Err(error) => return Err(from_catalog(error)),
        }
    }
    Ok(Output {
        partitions,
        unprocessed_keys: [],
    })
}
