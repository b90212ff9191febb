use base::{ManualClock, Scope};
use store_meta::Meta;

use super::*;

async fn open() -> (tempfile::TempDir, Catalog, Scope) {
    let dir = tempfile::tempdir().unwrap();
    let meta = Meta::open(dir.path().join("meta.redb")).unwrap();
    let catalog = Catalog::new(meta, ManualClock::at(1_000).clock());
    let scope = Scope::default();
    catalog
        .create_database(
            &scope,
            DatabaseSpec {
                name: "Lake".into(),
                ..DatabaseSpec::default()
            },
        )
        .await
        .unwrap();
    (dir, catalog, scope)
}

fn table(name: &str) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        partition_keys: vec![Column::new("Year", "int"), Column::new("month", "int")],
        ..TableSpec::default()
    }
}

fn partition(year: u32, month: u32) -> PartitionSpec {
    PartitionSpec {
        values: [year.to_string(), month.to_string()].into_iter().collect(),
        ..PartitionSpec::default()
    }
}

#[tokio::test]
async fn names_fold_and_what_is_missing_is_named() {
    let (_dir, catalog, scope) = open().await;
    catalog.create_table(&scope, "LAKE", table("Flights")).await.unwrap();
    let found = catalog.table(&scope, "lake", "FLIGHTS").unwrap();
    assert_eq!(
        (found.spec.name.as_str(), found.spec.partition_keys[0].name.as_str()),
        ("flights", "year")
    );
    let exists = catalog.create_table(&scope, "lake", table("flights")).await;
    assert!(matches!(exists, Err(CatalogError::TableExists { .. })));
    assert!(matches!(
        catalog.table(&scope, "pond", "flights"),
        Err(CatalogError::DatabaseNotFound { .. })
    ));
    assert!(matches!(
        catalog.table(&scope, "lake", "boats"),
        Err(CatalogError::TableNotFound { .. })
    ));
    let elsewhere = Scope::new("123456789012".parse().unwrap(), scope.region.clone());
    assert!(matches!(
        catalog.database(&elsewhere, "lake"),
        Err(CatalogError::DatabaseNotFound { .. })
    ));
}

#[tokio::test]
async fn racing_updates_of_one_version_have_one_winner() {
    let (_dir, catalog, scope) = open().await;
    catalog.create_table(&scope, "lake", table("t")).await.unwrap();
    let update = TableUpdate {
        expected_version: Some(0),
        skip_archive: false,
    };
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (catalog, scope) = (catalog.clone(), scope.clone());
        writers.spawn(async move { catalog.update_table(&scope, "lake", table("t"), update).await });
    }
    let mut won = 0;
    for outcome in writers.join_all().await {
        match outcome {
            Ok(table) => {
                won += 1;
                assert_eq!(table.version, 1);
            }
            Err(CatalogError::VersionMismatch { current: 1, .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    let quiet = TableUpdate {
        expected_version: None,
        skip_archive: true,
    };
    catalog.update_table(&scope, "lake", table("t"), quiet).await.unwrap();
    let versions = |before| catalog.table_versions(&scope, "lake", "t", before, 10).unwrap();
    assert_eq!(versions(None).iter().map(|t| t.version).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(versions(Some(2)).len(), 1);
    assert!(matches!(
        catalog.delete_table_version(&scope, "lake", "t", 2).await,
        Err(CatalogError::VersionInUse { .. })
    ));
    catalog.delete_table_version(&scope, "lake", "t", 0).await.unwrap();
    assert!(matches!(
        catalog.table_version(&scope, "lake", "t", 0),
        Err(CatalogError::VersionNotFound { .. })
    ));
}

#[tokio::test]
async fn partitions_are_created_once_filtered_paged_and_go_with_their_table() {
    let (_dir, catalog, scope) = open().await;
    catalog.create_table(&scope, "lake", table("t")).await.unwrap();
    let specs: Vec<_> = (1..=12).map(|month| partition(2013, month)).collect();
    assert_eq!(
        catalog
            .create_partitions_if_absent(&scope, "lake", "t", specs.clone())
            .await
            .unwrap(),
        12
    );
    assert_eq!(
        catalog
            .create_partitions_if_absent(&scope, "lake", "t", specs)
            .await
            .unwrap(),
        0
    );
    let outcomes = catalog
        .create_partitions(
            &scope,
            "lake",
            "t",
            vec![partition(2013, 1), partition(2014, 1), PartitionSpec::default()],
        )
        .await
        .unwrap();
    assert!(matches!(
        outcomes.as_slice(),
        [
            Err(CatalogError::PartitionExists { .. }),
            Ok(()),
            Err(CatalogError::Invalid(_))
        ]
    ));
    let keys = catalog.table(&scope, "lake", "t").unwrap().spec.partition_keys;
    let filter = PartitionFilter::parse("month > 2 and year = 2013", &keys).unwrap();
    let mut months = Vec::new();
    let mut after: Option<PartitionValues> = None;
    loop {
        let page = catalog
            .partitions(&scope, "lake", "t", after.as_ref(), 4, |p| {
                filter.matches(&p.spec.values)
            })
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.spec.values.clone());
        months.extend(page.iter().map(|p| p.spec.values.0[1].parse::<u32>().unwrap()));
    }
    months.sort_unstable();
    assert_eq!(months, (3..=12).collect::<Vec<_>>());

    let first: PartitionValues = ["2013", "1"].into_iter().collect();
    catalog
        .update_partition(&scope, "lake", "t", first.clone(), partition(2015, 1))
        .await
        .unwrap();
    assert!(matches!(
        catalog.partition(&scope, "lake", "t", &first),
        Err(CatalogError::PartitionNotFound { .. })
    ));
    let gone = catalog
        .delete_partitions(&scope, "lake", "t", vec![first])
        .await
        .unwrap();
    assert!(matches!(gone.as_slice(), [Err(CatalogError::PartitionNotFound { .. })]));

    catalog.delete_table(&scope, "lake", "t").await.unwrap();
    catalog.create_table(&scope, "lake", table("t")).await.unwrap();
    assert!(
        catalog
            .partitions(&scope, "lake", "t", None, 10, |_| true)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn members_that_nothing_here_knows_survive() {
    let text = r#"{"Name":"t","Retention":7,"StorageDescriptor":{"Columns":[{"Name":"a","Type":"int"}],"SkewedInfo":{"SkewedColumnNames":["a"]}},"PartitionKeys":[],"LastAccessTime":1.5}"#;
    let spec: TableSpec = serde_json::from_str(text).unwrap();
    let back: serde_json::Value = serde_json::to_value(&spec).unwrap();
    assert_eq!(back, serde_json::from_str::<serde_json::Value>(text).unwrap());
}
