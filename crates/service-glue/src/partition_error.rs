//! Partitions in batches: how they are named and how the failed ones are told.

use engine_catalog::{CatalogError, PartitionValues};
use serde::{Deserialize, Serialize};

use crate::errors::ErrorDetail;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ValueList {
    pub(crate) values: PartitionValues,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionError {
    partition_values: PartitionValues,
    error_detail: ErrorDetail,
}

/// The failures among `outcomes`, each with the values that it is about.
pub(crate) fn partition_errors(
    values: Vec<PartitionValues>,
    outcomes: Vec<Result<(), CatalogError>>,
) -> Vec<PartitionError> {
    let failed = values
        .into_iter()
        .zip(outcomes)
        .filter_map(|(values, outcome)| Some((values, outcome.err()?)));
    failed
        .map(|(partition_values, error)| PartitionError {
            partition_values,
            error_detail: error.into(),
        })
        .collect()
}
