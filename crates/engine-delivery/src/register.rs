//! New partitions in the catalog, for tables that ask for it.
//!
//! A table asks with the parameter `catchment.register_partitions` = `true`. The values of its partition keys are
//! read from the object's place: `<table location>/year=2013/month=01/..`.

use base::Scope;
use engine_catalog::{Catalog, CatalogError, PartitionSpec, PartitionValues, Table, unescape_path_value};

const PARAMETER: &str = "catchment.register_partitions";

/// Makes the partition of an object known; does nothing where it is known, or where the table does not ask.
pub(crate) async fn partition_of(
    catalog: &Catalog,
    scope: &Scope,
    table: &Table,
    bucket: &str,
    object_key: &str,
) -> Result<(), CatalogError> {
    let asks = table
        .spec
        .parameter(PARAMETER)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !asks || table.spec.partition_keys.is_empty() {
        return Ok(());
    }
    let Some((values, location)) = place(table, bucket, object_key) else {
        tracing::warn!(
            table = table.spec.name,
            object_key,
            "an object lies outside of its table's partitions"
        );
        return Ok(());
    };
    let storage = table.spec.storage_descriptor.clone().map(|mut storage| {
        storage.location = Some(location);
        storage
    });
    let spec = PartitionSpec {
        values,
        storage_descriptor: storage,
        ..PartitionSpec::default()
    };
    catalog
        .create_partitions_if_absent(scope, &table.database, &table.spec.name, vec![spec])
        .await
        .map(drop)
}

/// The values of the partition keys in an object's path below the table's location, and the partition's own
/// location.
pub(crate) fn place(table: &Table, bucket: &str, object_key: &str) -> Option<(PartitionValues, String)> {
    let object = format!("s3://{bucket}/{object_key}");
    let home = format!("{}/", table.spec.location()?.trim_end_matches('/'));
    let below = object.strip_prefix(&home)?;
    let mut location = home.clone();
    let mut segments = below.split('/');
    let mut values = Vec::new();
    for key in &table.spec.partition_keys {
        let segment = segments.next()?;
        let (name, value) = segment.split_once('=')?;
        if !unescape_path_value(name).eq_ignore_ascii_case(&key.name) {
            return None;
        }
        values.push(unescape_path_value(value));
        location.push_str(segment);
        location.push('/');
    }
    // What is left is the object's own name, at least.
    segments.next()?;
    Some((PartitionValues(values), location))
}

#[cfg(test)]
mod tests {
    use engine_catalog::{Column, StorageDescriptor, TableSpec};

    use super::*;

    #[test]
    fn values_are_read_from_the_path() {
        let table = Table {
            database: "d".into(),
            spec: TableSpec {
                name: "t".into(),
                partition_keys: vec![Column::new("year", "int"), Column::new("carrier", "string")],
                storage_descriptor: Some(StorageDescriptor {
                    location: Some("s3://lake/flights".into()),
                    ..StorageDescriptor::default()
                }),
                ..TableSpec::default()
            },
            version: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        let (values, location) = place(&table, "lake", "flights/year=2013/carrier=U%3AA/x.parquet").expect("a place");
        assert_eq!(
            (values.0, location),
            (
                vec!["2013".to_owned(), "U:A".to_owned()],
                "s3://lake/flights/year=2013/carrier=U%3AA/".to_owned()
            )
        );
        for outside in [
            "flights/year=2013/x.parquet",
            "other/year=2013/carrier=UA/x",
            "flights/carrier=UA/year=2013/x",
            "flights/year=2013/carrier=UA",
        ] {
            assert_eq!(place(&table, "lake", outside), None, "{outside}");
        }
    }
}
