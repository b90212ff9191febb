//! BatchUpdatePartition: replaces several partitions, each on its own.

use engine_catalog::{PartitionSpec, PartitionValues};
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors::ErrorDetail;
use crate::errors::from_catalog;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    partition_value_list: PartitionValues,
    partition_input: PartitionSpec,
}

impl Entry {
    /// A partition that names no values keeps those it has.
    fn into_update(self) -> (PartitionValues, PartitionSpec) {
        let mut partition = self.partition_input;
        if partition.values.0.is_empty() {
            partition.values = self.partition_value_list.clone();
        }
        (self.partition_value_list, partition)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    partition_value_list: PartitionValues,
    error_detail: ErrorDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    errors: Vec<Failure>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let updates: Vec<_> = input.entries.into_iter().map(Entry::into_update).collect();
    let values: Vec<_> = updates.iter().map(|(values, _)| values.clone()).collect();
    let outcomes = call
        .catalog
        .update_partitions(scope, database, table, updates)
        .await
        .map_err(from_catalog)?;
    let failed = values
        .into_iter()
        .zip(outcomes)
        .filter_map(|(values, outcome)| Some((values, outcome.err()?)));
    let errors = failed.map(|(partition_value_list, error)| Failure {
        partition_value_list,
        error_detail: error.into(),
    });
    Ok(Output {
        errors: errors.collect(),
    })
}
