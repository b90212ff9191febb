//! GetPartitions: the partitions that an expression lets through, in pages and in segments.

use engine_catalog::{Partition, PartitionFilter, PartitionValues};
use protocol_aws::AwsError;
use serde::{Deserialize, Serialize};

use crate::Call;
use crate::catalog_id::scope;
use crate::errors;
use crate::errors::from_catalog;
use crate::page::page;
use crate::shapes::PartitionShape;

/// The most that a page may have (the model).
const PARTITIONS_PAGE_MAX: usize = 1_000;

/// One of several disjoint parts of the partitions, for readers side by side.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Segment {
    segment_number: u64,
    total_segments: u64,
}

impl Segment {
    fn holds(&self, values: &PartitionValues) -> bool {
        let bytes = values.0.iter().flat_map(|value| value.bytes().chain([0]));
        // FNV-1a: stable over restarts, so that a reader's pages fit together.
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        hash % self.total_segments == self.segment_number
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    expression: Option<String>,
    segment: Option<Segment>,
    exclude_column_schema: Option<bool>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    partitions: Vec<PartitionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn handle(call: &Call, input: Input) -> Result<Output, AwsError> {
    let scope = scope(call, input.catalog_id.as_deref())?;
    let (database, table) = (&input.database_name, &input.table_name);
    let keys = call
        .catalog
        .table(scope, database, table)
        .map_err(from_catalog)?
        .spec
        .partition_keys;
    let filter = PartitionFilter::parse(input.expression.as_deref().unwrap_or(""), &keys).map_err(from_catalog)?;
    if let Some(Segment {
        segment_number,
        total_segments,
    }) = input.segment
        && segment_number >= total_segments
    {
        return Err(errors::invalid("SegmentNumber must be less than TotalSegments."));
    }
    let keep = |partition: &Partition| {
        let values = &partition.spec.values;
        filter.matches(values) && input.segment.as_ref().is_none_or(|segment| segment.holds(values))
    };
    let (partitions, next_token) = page(
        input.next_token.as_deref(),
        input.max_results.unwrap_or(PARTITIONS_PAGE_MAX),
        |after: Option<&PartitionValues>, limit| {
            call.catalog
                .partitions(scope, database, table, after, limit, keep)
                .map_err(from_catalog)
        },
        |last| last.spec.values.clone(),
    )?;
    let shape = |partition| {
        let shape = PartitionShape::new(scope.account.as_str(), database, table, partition);
        if input.exclude_column_schema == Some(true) {
            shape.without_columns()
        } else {
            shape
        }
    };
    Ok(Output {
        partitions: partitions.into_iter().map(shape).collect(),
        next_token,
    })
}
