//! Small files put together, beside others who work on the table.

use std::time::Duration;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

const TARGET: u64 = 1 << 20;
const DAY_MS: i64 = 24 * 3_600_000;

impl Fixture {
    /// The paths of the files that the commits leave in the table.
    async fn live(&self) -> BTreeSet<String> {
        let mut live = BTreeSet::new();
        for key in self.keys().await.into_iter().filter(|key| key.ends_with(".json")) {
            let content = self.objects.get_bytes("lake", &key).await.expect("a commit");
            for line in std::str::from_utf8(&content).expect("text").lines() {
                let action: Value = serde_json::from_str(line).expect("JSON");
                if let Some(path) = action["remove"]["path"].as_str() {
                    assert!(live.remove(path), "{path} was not there");
                }
                if let Some(path) = action["add"]["path"].as_str() {
                    assert!(live.insert(path.to_owned()), "{path} was there");
                }
            }
        }
        live
    }

    async fn visitors(&self) -> Vec<i64> {
        let mut found = Vec::new();
        for path in self.live().await {
            let content = self.objects.get_bytes("lake", &format!("clicks/{path}")).await;
            let reader = ParquetRecordBatchReaderBuilder::try_new(content.expect("a file")).expect("Parquet");
            for batch in reader.build().expect("reads") {
                let batch = batch.expect("rows");
                let visitors = batch.column(0).as_any().downcast_ref::<Int64Array>().expect("numbers");
                found.extend(visitors.values());
            }
        }
        found.sort_unstable();
        found
    }
}

/// So many files of one row each, in turns in the days given.
async fn append(table: &DeltaTable, from: i64, files: i64, days: &[&str]) {
    for number in from..from + files {
        let day = days[number as usize % days.len()];
        let mut added = file(&format!("day={day}/{number:04}.parquet"), &[number]);
        added.partition_values.insert("day".to_owned(), Some(day.to_owned()));
        table
            .append(&format!("a{number}"), 0, vec![added])
            .await
            .expect("commits");
    }
}

#[tokio::test]
async fn small_files_become_one_for_each_partition() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 40, &["2013-01-31", "2013-02-01"]).await;
    append(&table, 40, 3, &["2013-02-02"]).await;
    let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    assert_eq!(compacted, Compacted { files: 40, into: 2 });
    assert_eq!(f.live().await.len(), 2 + 3, "three files are too few");
    assert_eq!(f.visitors().await, (0..43).collect::<Vec<_>>());
    let adds = f.actions("add").await;
    let merged: Vec<_> = adds.iter().filter(|add| add["dataChange"] == false).collect();
    for (add, day) in merged.iter().zip(["2013-01-31", "2013-02-01"]) {
        assert_eq!(add["partitionValues"], json!({ "day": day }));
        assert!(
            add["path"]
                .as_str()
                .expect("a path")
                .starts_with(&format!("day={day}/compacted-"))
        );
        let statistics: Value = serde_json::from_str(add["stats"].as_str().expect("text")).expect("JSON");
        assert_eq!(statistics["numRecords"], 20);
    }
    assert!(
        f.actions("remove")
            .await
            .iter()
            .all(|remove| remove["dataChange"] == false)
    );
    // Nothing is left to do, and the table goes on.
    assert_eq!(
        table.compact(&Tasks::new(), TARGET).await.expect("looks"),
        Compacted::default()
    );
    append(&table, 43, 1, &["2013-01-31"]).await;
    assert_eq!(f.visitors().await, (0..44).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_go_into_bins_of_the_size_that_is_asked_for() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 30, &["2013-01-31"]).await;
    let bytes = f.actions("add").await[0]["size"].as_u64().expect("a size");
    let compacted = table
        .compact(&Tasks::new(), bytes * 10 + bytes / 2)
        .await
        .expect("compacts");
    assert_eq!(compacted, Compacted { files: 30, into: 3 });
    assert_eq!(f.visitors().await, (0..30).collect::<Vec<_>>());
    // Those that are half as large as asked for are large enough.
    append(&table, 30, 20, &["2013-01-31"]).await;
    let compacted = table.compact(&Tasks::new(), bytes).await.expect("looks");
    assert_eq!(compacted, Compacted::default());
}

#[tokio::test]
async fn a_table_is_compacted_over_its_checkpoint() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 105, &["2013-01-31"]).await;
    assert!(f.keys().await.iter().any(|key| key.ends_with(".checkpoint.parquet")));
    let table = f.open(&spec()).await.expect("a table");
    let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    assert_eq!(compacted, Compacted { files: 105, into: 1 });
    assert_eq!(f.visitors().await, (0..105).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_appends_or_compacts_meanwhile_loses_and_doubles_nothing() {
    let f = Arc::new(Fixture::new().await);
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 40, &["2013-01-31"]).await;
    let compact = |f: Arc<Fixture>| async move {
        let table = f.open(&spec()).await.expect("a table");
        let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
        compacted.into
    };
    let more = |f: Arc<Fixture>| async move {
        let table = f.open(&spec()).await.expect("a table");
        append(&table, 40, 40, &["2013-01-31"]).await;
        0
    };
    let tasks = Tasks::new();
    let work = [
        tasks.spawn(compact(f.clone())),
        tasks.spawn(compact(f.clone())),
        tasks.spawn(more(f.clone())),
    ];
    let mut into = 0;
    for work in work {
        into += work.await.expect("ends");
    }
    assert!(into >= 1, "of two who race for the same files one wins");
    assert_eq!(f.visitors().await, (0..80).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_that_somebody_else_removed_stay_removed() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 9, &["2013-01-31"]).await;
    let remove =
        json!({"remove": {"path": "day=2013-01-31/0004.parquet", "deletionTimestamp": NOW_MS, "dataChange": true}});
    f.commit(10, &[remove]).await;
    let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    assert_eq!(compacted, Compacted { files: 8, into: 1 });
    assert_eq!(f.visitors().await, [0, 1, 2, 3, 5, 6, 7, 8]);
}

#[tokio::test]
async fn files_that_somebody_removes_meanwhile_are_left_to_him() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 9, &["2013-01-31"]).await;
    // As a compaction sees the table that began before the removal.
    let looked_at = table.state.lock().await.clone();
    let remove = |path: &str| json!({"remove": {"path": path, "deletionTimestamp": NOW_MS, "dataChange": true}});
    f.commit(10, &[remove("day=2013-01-31/0004.parquet")]).await;
    let paths = BTreeSet::from(["day=2013-01-31/0003.parquet", "day=2013-01-31/0004.parquet"]);
    let lines = || remove("day=2013-01-31/0003.parquet").to_string();
    let committed = table.replace(&looked_at, &paths, &[], lines()).await.expect("looks");
    assert!(!committed);
    let others = BTreeSet::from(["day=2013-01-31/0003.parquet"]);
    assert!(table.replace(&looked_at, &others, &[], lines()).await.expect("commits"));
    assert_eq!(f.visitors().await, [0, 1, 2, 5, 6, 7, 8]);
}

#[tokio::test]
async fn files_with_other_columns_do_not_hold_up_the_rest() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 1, 8, &["2013-01-31"]).await;
    // It comes first by its name.
    let narrow = AddedFile {
        bytes: parquet(vec![("visitor", Arc::new(Int64Array::from(vec![0])))]),
        ..file("day=2013-01-31/0000.parquet", &[])
    };
    table.append("narrow", 0, vec![narrow]).await.expect("commits");
    let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    assert_eq!(compacted, Compacted { files: 8, into: 1 });
    assert_eq!(f.live().await.len(), 2);
    assert_eq!(f.visitors().await, (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_hold_up_other_partitions() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 20, &["2013-01-31", "2013-02-01"]).await;
    f.put("day=2013-01-31/0004.parquet", "no Parquet").await;
    let compacted = table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    assert_eq!(compacted, Compacted { files: 10, into: 1 });
}

#[tokio::test]
async fn a_file_whose_rows_were_deleted_by_a_vector_stays() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 1, &["2013-01-31"]).await;
    let path = "day=2013-01-31/0000.parquet";
    let vector =
        json!({"storageType": "u", "pathOrInlineDv": "ab^-aqEH", "offset": 4, "sizeInBytes": 40, "cardinality": 6});
    let deleted = [
        json!({"remove": {"path": path, "deletionTimestamp": NOW_MS, "dataChange": true}}),
        json!({"add": {"path": path, "partitionValues": {"day": "2013-01-31"}, "size": 1, "modificationTime": 1, "dataChange": true,
            "deletionVector": vector}}),
    ];
    f.commit(2, &deleted).await;
    f.clock.advance(Duration::from_millis(30 * DAY_MS as u64));
    assert_eq!(table.clean().await.expect("looks"), 0);
    assert!(f.keys().await.contains(&format!("clicks/{path}")));
    // Once it is gone for good, its time counts from then.
    let now_ms = NOW_MS + 30 * DAY_MS;
    let gone =
        json!({"remove": {"path": path, "deletionTimestamp": now_ms, "dataChange": true, "deletionVector": vector}});
    f.commit(3, &[gone]).await;
    f.clock.advance(Duration::from_millis(6 * DAY_MS as u64));
    assert_eq!(table.clean().await.expect("looks"), 0);
    f.clock.advance(Duration::from_millis(2 * DAY_MS as u64));
    assert_eq!(table.clean().await.expect("cleans"), 1);
}

#[tokio::test]
async fn removed_files_are_deleted_when_nobody_may_read_them_any_more() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    append(&table, 0, 10, &["2013-01-31"]).await;
    table.compact(&Tasks::new(), TARGET).await.expect("compacts");
    let files = async || {
        let keys = f.keys().await;
        keys.iter().filter(|key| key.ends_with(".parquet")).count()
    };
    assert_eq!(table.clean().await.expect("looks"), 0);
    assert_eq!(files().await, 11);
    f.clock.advance(Duration::from_millis(7 * DAY_MS as u64 + 1));
    assert_eq!(table.clean().await.expect("cleans"), 10);
    assert_eq!(table.clean().await.expect("looks"), 0);
    assert_eq!(files().await, 1);
    assert_eq!(f.visitors().await, (0..10).collect::<Vec<_>>());
}
