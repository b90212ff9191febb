//! Logs with checkpoints, and without what came before them.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// A table with a checkpoint after every three commits.
async fn table(f: &Fixture) -> DeltaTable {
    let table = f.open(&spec()).await.expect("a table");
    let mut metadata = f.actions("metaData").await.remove(0);
    metadata["configuration"] = json!({"delta.checkpointInterval": "3"});
    f.commit(1, &[json!({"metaData": metadata})]).await;
    table
}

async fn append(table: &DeltaTable, steps: std::ops::RangeInclusive<i64>) {
    for step in steps {
        let files = vec![file(&format!("{step}.parquet"), &[step])];
        assert_eq!(
            committed(&table.append("a", step, files).await.expect("commits")),
            step as u64
        );
    }
}

/// The rows of a checkpoint, in the log's form, as our reader of columns has it; other readers judge it elsewhere.
async fn rows(f: &Fixture, version: u64) -> Vec<Value> {
    let key = format!("clicks/_delta_log/{version:020}.checkpoint.parquet");
    let bytes = f.objects.get_bytes("lake", &key).await.expect("a checkpoint");
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .expect("Parquet")
        .build()
        .expect("reads");
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    for batch in reader {
        writer.write(&batch.expect("rows")).expect("writes");
    }
    writer.finish().expect("ends");
    let text = String::from_utf8(writer.into_inner()).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn paths(rows: &[Value], kind: &str) -> BTreeSet<String> {
    let paths = rows.iter().filter_map(|row| row.get(kind)?["path"].as_str());
    paths.map(str::to_owned).collect()
}

async fn pointer(f: &Fixture) -> Value {
    let bytes = f
        .objects
        .get_bytes("lake", "clicks/_delta_log/_last_checkpoint")
        .await
        .expect("is there");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What a foreign cleaner does.
async fn delete_commits(f: &Fixture, versions: std::ops::Range<u64>) {
    for version in versions {
        f.delete(&format!("_delta_log/{version:020}.json")).await;
    }
}

#[tokio::test]
async fn a_checkpoint_stands_for_the_commits_before_it() {
    let f = Fixture::new().await;
    let first = table(&f).await;
    append(&first, 2..=3).await;
    assert_eq!(pointer(&f).await["version"], 3);
    assert_eq!(pointer(&f).await["numOfAddFiles"], 2);
    delete_commits(&f, 0..3).await;
    // The one that is made from another.
    append(&f.open(&spec()).await.expect("the table"), 4..=7).await;
    assert_eq!(pointer(&f).await["version"], 6);
    let all: BTreeSet<String> = (2..=6).map(|step| format!("{step}.parquet")).collect();
    let rows = rows(&f, 6).await;
    assert_eq!(paths(&rows, "add"), all);
    assert_eq!(rows.len() as u64, pointer(&f).await["size"].as_u64().expect("a size"));
    let of_kind = |kind: &str| rows.iter().filter(|row| row.get(kind).is_some()).count();
    assert_eq!((of_kind("protocol"), of_kind("metaData"), of_kind("txn")), (1, 1, 1));
    delete_commits(&f, 3..6).await;
    // Repetition is still known, with the pointer, with a wrong one, and with none.
    for pointer in [
        None,
        Some("{\"version\": 3}"),
        Some("{\"version\": 99}"),
        Some("nonsense"),
    ] {
        if let Some(pointer) = pointer {
            f.put("_delta_log/_last_checkpoint", pointer).await;
        }
        let table = f.open(&spec()).await.expect("the table");
        let outcome = table
            .append("a", 6, vec![file("6.parquet", &[6])])
            .await
            .expect("is there");
        assert_eq!(outcome, Outcome::AlreadyCommitted);
    }
    f.delete("_delta_log/_last_checkpoint").await;
    append(&f.open(&spec()).await.expect("the table"), 8..=8).await;
    // Without a checkpoint nothing can be said.
    for version in [3, 6] {
        f.delete(&format!("_delta_log/{version:020}.checkpoint.parquet")).await;
    }
    check_error(f.open(&spec()).await.map(drop), "version 6 is the first");
}

#[tokio::test]
async fn a_handle_that_slept_while_the_log_was_cleaned_goes_on_at_its_end() {
    let f = Fixture::new().await;
    let sleeper = table(&f).await;
    append(&sleeper, 2..=2).await;
    append(&f.open(&spec()).await.expect("the table"), 3..=6).await;
    delete_commits(&f, 0..6).await;
    append(&sleeper, 7..=7).await;
    // And one in the middle of the log that is gone is no end of it.
    append(&f.open(&spec()).await.expect("the table"), 8..=8).await;
    f.commit(10, &[json!({"commitInfo": {}})]).await;
    check_error(sleeper.append("a", 9, Vec::new()).await, "version 9 is missing");
}

#[tokio::test]
async fn removed_files_are_tombstones_until_they_expire() {
    let f = Fixture::new().await;
    let table = table(&f).await;
    append(&table, 2..=3).await;
    const DAY_MS: i64 = 24 * 3_600_000;
    let remove = |path: &str, at_ms: i64| json!({"remove": {"path": path, "deletionTimestamp": at_ms, "dataChange": false, "partitionValues": {"day": null}}});
    let vector =
        json!({"storageType": "u", "pathOrInlineDv": "ab^-aqEH", "offset": 4, "sizeInBytes": 40, "cardinality": 6});
    let add = |vector: Option<&Value>| {
        json!({"add": {
            "path": "x.parquet", "partitionValues": {"day": null}, "size": 1, "modificationTime": 1, "dataChange": true,
            "deletionVector": vector,
        }})
    };
    let domain = |name: &str, removed: bool| json!({"domainMetadata": {"domain": name, "configuration": "{}", "removed": removed}});
    f.commit(
        4,
        &[
            // A week, and a day for whoever cleans up.
            remove("2.parquet", NOW_MS - 8 * DAY_MS - 1),
            remove("3.parquet", NOW_MS - 8 * DAY_MS + 1),
        ],
    )
    .await;
    let foreign = [add(None), domain("kept", false), domain("gone", false)];
    f.commit(5, &foreign).await;
    let vectors = [
        add(Some(&vector)),
        json!({"remove": {"path": "x.parquet", "deletionTimestamp": NOW_MS, "dataChange": true}}),
    ];
    f.commit(6, &[&vectors[..], &[domain("gone", true)]].concat()).await;
    append(&table, 7..=7).await;
    let rows = rows(&f, 7).await;
    assert_eq!(
        paths(&rows, "add"),
        ["7.parquet", "x.parquet"].map(str::to_owned).into()
    );
    assert_eq!(
        paths(&rows, "remove"),
        ["3.parquet", "x.parquet"].map(str::to_owned).into()
    );
    let x = rows
        .iter()
        .find(|row| row["add"]["path"] == "x.parquet")
        .expect("a row");
    assert_eq!(x["add"]["deletionVector"], vector);
    let domains: Vec<&Value> = rows.iter().filter_map(|row| row.get("domainMetadata")).collect();
    assert_eq!(
        domains,
        [&json!({"domain": "kept", "configuration": "{}", "removed": false})]
    );
    // A week later none are left.
    f.clock.advance(std::time::Duration::from_secs(9 * 24 * 3_600));
    append(&table, 8..=10).await;
    assert_eq!(paths(&self::rows(&f, 10).await, "remove"), BTreeSet::new());
}

#[tokio::test]
async fn a_checkpoint_of_another_kind_is_left_to_others() {
    let f = Fixture::new().await;
    let table = table(&f).await;
    let mut metadata = f.actions("metaData").await.pop().expect("metadata");
    metadata["configuration"]["delta.checkpoint.writeStatsAsStruct"] = "true".into();
    f.commit(2, &[json!({"metaData": metadata})]).await;
    append(&table, 3..=7).await;
    assert!(!f.keys().await.iter().any(|key| key.contains("checkpoint")));
}

#[tokio::test]
async fn an_append_stands_even_where_its_checkpoint_fails() {
    let f = Fixture::new().await;
    let table = table(&f).await;
    append(&table, 2..=3).await;
    f.put("_delta_log/00000000000000000003.checkpoint.parquet", "nonsense")
        .await;
    append(&table, 4..=7).await;
    assert_eq!(pointer(&f).await["version"], 3);
}

#[tokio::test]
async fn checkpoints_hold_more_rows_than_are_decoded_at_once() {
    let f = Fixture::new().await;
    let table = table(&f).await;
    let add = |number: usize| {
        let path = format!("{number}.parquet");
        json!({"add": {"path": path, "partitionValues": {"day": null}, "size": 1, "modificationTime": 1, "dataChange": true}})
    };
    let adds: Vec<Value> = (0..5_000).map(add).collect();
    f.commit(2, &adds).await;
    append(&table, 3..=6).await;
    let last = rows(&f, 6).await;
    assert_eq!(
        paths(&last, "add").len(),
        5_000,
        "3.parquet and the like are there twice, and the later one holds"
    );
    assert_eq!(last.len(), 5_003);
    let three = last
        .iter()
        .find(|row| row["add"]["path"] == "3.parquet")
        .expect("a row");
    assert_eq!(three["add"]["partitionValues"], json!({"day": "2013-01-31"}));
}
