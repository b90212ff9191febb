//! Tables under repetition, races, foreign writers and damage.

mod checkpoints;
mod compaction;
mod statistics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use base::{Clock, ManualClock, Random, Scope, Tasks};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use store_meta::Meta;
use store_objects::{ObjectError, Objects, PutOptions};

use crate::*;

const NOW_MS: i64 = 1_700_000_000_000;

/// A bucket `lake` and the place of a table in it.
struct Fixture {
    _dir: tempfile::TempDir,
    objects: Objects,
    clock: ManualClock,
    location: Location,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = ManualClock::at(NOW_MS);
        let objects = open(dir.path(), clock.clock());
        objects
            .create_bucket(&Scope::default(), "lake")
            .await
            .expect("a bucket");
        Self {
            _dir: dir,
            objects,
            clock,
            location: Location::parse("s3://lake/clicks").expect("a place"),
        }
    }

    async fn open(&self, spec: &TableSpec) -> Result<DeltaTable, LakeError> {
        let (objects, clock, random) = (self.objects.clone(), self.clock.clock(), Random::from_os());
        DeltaTable::open_or_create(objects, clock, random, self.location.clone(), spec).await
    }

    /// The keys below the table's place.
    async fn keys(&self) -> BTreeSet<String> {
        let page = self
            .objects
            .list("lake", "clicks/", None, usize::MAX)
            .await
            .expect("a list");
        page.objects.into_iter().map(|object| object.key).collect()
    }

    /// What a foreign writer commits.
    async fn commit(&self, version: u64, actions: &[Value]) {
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        self.put(&format!("_delta_log/{version:020}.json"), lines.join("\n"))
            .await;
    }

    async fn put(&self, path: &str, content: impl Into<Bytes>) {
        let key = format!("clicks/{path}");
        let put = self
            .objects
            .put_bytes("lake", &key, content.into(), PutOptions::default());
        put.await.expect("puts");
    }

    async fn delete(&self, path: &str) {
        let key = format!("clicks/{path}");
        self.objects.delete("lake", &key).await.expect("deletes");
    }

    /// All actions of the log of one kind, in order.
    async fn actions(&self, kind: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for key in self.keys().await.into_iter().filter(|key| key.ends_with(".json")) {
            let content = self.objects.get_bytes("lake", &key).await.expect("a commit");
            let lines = std::str::from_utf8(&content).expect("text").lines();
            let actions = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            found.extend(actions.filter_map(|action| action.get(kind).cloned()));
        }
        found
    }
}

fn open(dir: &Path, clock: Clock) -> Objects {
    let meta = Meta::open(dir.join("meta.redb")).expect("metadata");
    Objects::open(&dir.join("objects"), meta, clock, Random::from_os(), Tasks::new()).expect("opens")
}

/// Columns `visitor` and `page`, and `day` as the partition column.
fn spec() -> TableSpec {
    let mut fields: Vec<Field> = columns().fields().iter().map(|field| (**field).clone()).collect();
    fields.push(Field::new("day", DataType::Date32, true));
    TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: vec!["day".to_owned()],
        name: Some("clicks".to_owned()),
    }
}

fn columns() -> SchemaRef {
    let visitor = Field::new("visitor", DataType::Int64, true);
    Arc::new(Schema::new(vec![visitor, Field::new("page", DataType::Utf8, true)]))
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("writes");
    writer.into_inner().expect("ends").into()
}

fn file(path: &str, visitors: &[i64]) -> AddedFile {
    let pages: StringArray = visitors.iter().map(|visitor| Some(format!("/p{visitor}"))).collect();
    let visitors = Int64Array::from(visitors.to_vec());
    AddedFile {
        path: path.to_owned(),
        bytes: parquet(vec![("visitor", Arc::new(visitors)), ("page", Arc::new(pages))]),
        partition_values: BTreeMap::from([("day".to_owned(), Some("2013-01-31".to_owned()))]),
    }
}

fn committed(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Committed { version, .. } => *version,
        Outcome::AlreadyCommitted => panic!("nothing was committed"),
    }
}

fn check_error<T: std::fmt::Debug>(result: Result<T, LakeError>, part: &str) {
    let error = result.expect_err(part).to_string();
    assert!(error.contains(part), "{error:?} does not say {part:?}");
}

#[tokio::test]
async fn a_batch_is_one_commit_and_its_repetition_is_none() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    let files = || {
        vec![
            file("day=2013-01-31/a.parquet", &[1, 2]),
            file("day=2013-01-31/b c.parquet", &[3]),
        ]
    };
    let outcome = table.append("delivery", 7, files()).await.expect("commits");
    let keys = ["clicks/day=2013-01-31/a.parquet", "clicks/day=2013-01-31/b c.parquet"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(outcome, Outcome::Committed { version: 1, keys });
    let before = f.keys().await;
    // The same handle, a new one, and an older step.
    for (table, version) in [(&table, 7), (&f.open(&spec()).await.expect("a table"), 7), (&table, 3)] {
        let outcome = table.append("delivery", version, files()).await.expect("is there");
        assert_eq!(outcome, Outcome::AlreadyCommitted);
    }
    assert_eq!(f.keys().await, before);
    // Another application's steps are its own.
    assert_eq!(
        committed(
            &table
                .append("other", 1, vec![file("x.parquet", &[4])])
                .await
                .expect("commits")
        ),
        2
    );
    let adds = f.actions("add").await;
    let paths: Vec<&str> = adds.iter().map(|add| add["path"].as_str().expect("a path")).collect();
    assert_eq!(
        paths,
        ["day=2013-01-31/a.parquet", "day=2013-01-31/b%20c.parquet", "x.parquet"]
    );
    assert_eq!(adds[0]["partitionValues"], json!({"day": "2013-01-31"}));
    let transactions = f.actions("txn").await;
    assert_eq!(
        transactions[0],
        json!({"appId": "delivery", "version": 7, "lastUpdated": NOW_MS})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_lose_and_double_nothing() {
    const STEPS: i64 = 30;
    let f = Arc::new(Fixture::new().await);
    // All make the table at the same moment, too. The last two are one application that runs twice.
    let writers = ["a", "b", "c", "c"].into_iter().enumerate().map(|(number, app_id)| {
        let f = f.clone();
        async move {
            let table = f.open(&spec()).await.expect("a table");
            let mut committed = 0;
            for step in 0..STEPS {
                let files = vec![file(&format!("{app_id}-{step}-{number}.parquet"), &[step])];
                let outcome = table.append(app_id, step, files).await.expect("commits");
                committed += i64::from(outcome != Outcome::AlreadyCommitted);
            }
            committed
        }
    });
    let tasks: Vec<_> = writers.map(|writer| Tasks::new().spawn(writer)).collect();
    let mut committed = Vec::new();
    for task in tasks {
        committed.push(task.await.expect("ends"));
    }
    assert_eq!(committed[..2], [STEPS, STEPS]);
    assert_eq!(committed[2] + committed[3], STEPS);
    let steps: Vec<(String, i64)> = f
        .actions("txn")
        .await
        .iter()
        .map(|txn| (txn["appId"].to_string(), txn["version"].as_i64().expect("a version")))
        .collect();
    assert_eq!(steps.len() as i64, 3 * STEPS);
    assert_eq!(BTreeSet::from_iter(&steps).len(), steps.len());
    let adds = f.actions("add").await;
    assert_eq!(
        BTreeSet::from_iter(adds.iter().map(|add| add["path"].to_string())).len() as i64,
        3 * STEPS
    );
    let commits = f.keys().await.into_iter().filter(|key| key.ends_with(".json")).count();
    assert_eq!(commits as i64, 3 * STEPS + 1);
}

#[tokio::test]
async fn what_an_attempt_left_before_its_commit_is_taken_or_passed_by() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    let same = file("same.parquet", &[1]);
    f.put("same.parquet", same.bytes.clone()).await;
    f.put("other.parquet", "something else").await;
    let outcome = table
        .append("a", 1, vec![same, file("other.parquet", &[2])])
        .await
        .expect("commits");
    let Outcome::Committed { keys, .. } = outcome else {
        panic!("nothing was committed")
    };
    assert_eq!(keys[0], "clicks/same.parquet");
    assert!(
        keys[1].starts_with("clicks/other-") && keys[1].ends_with(".parquet"),
        "{}",
        keys[1]
    );
    let left = f
        .objects
        .get_bytes("lake", "clicks/other.parquet")
        .await
        .expect("is there");
    assert_eq!(left, "something else");
    assert_eq!(
        f.objects.get_bytes("lake", &keys[1]).await.expect("is there"),
        file("", &[2]).bytes
    );
}

#[tokio::test]
async fn foreign_changes_of_the_table_are_seen() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    assert_eq!(
        committed(
            &table
                .append("a", 1, vec![file("1.parquet", &[1])])
                .await
                .expect("commits")
        ),
        1
    );
    let mut metadata = f.actions("metaData").await.remove(0);
    let columns = |extra: &[Value]| {
        let column = |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
        let mut columns = vec![
            column("visitor", "long"),
            column("page", "string"),
            column("day", "date"),
        ];
        columns.extend_from_slice(extra);
        json!({"type": "struct", "fields": columns}).to_string()
    };
    // A column more that may be NULL, and a commit that has nothing to do with us.
    metadata["schemaString"] = columns(&[json!({"name": "new", "type": "double", "nullable": true})]).into();
    f.commit(2, &[json!({"metaData": metadata})]).await;
    f.commit(3, &[json!({"commitInfo": {}}), json!({"unknown": {"a": 1}})])
        .await;
    assert_eq!(
        committed(
            &table
                .append("a", 2, vec![file("2.parquet", &[1])])
                .await
                .expect("commits")
        ),
        4
    );
    // A column that must not be NULL.
    metadata["schemaString"] = columns(&[json!({"name": "must", "type": "double", "nullable": false})]).into();
    f.commit(5, &[json!({"metaData": metadata})]).await;
    let before = f.keys().await;
    check_error(
        table.append("a", 3, vec![file("3.parquet", &[1])]).await,
        "\"must\" cannot be NULL",
    );
    metadata["schemaString"] = columns(&[]).replace("long", "string").into();
    f.delete(&format!("_delta_log/{:020}.json", 5)).await;
    f.commit(5, &[json!({"metaData": metadata})]).await;
    check_error(
        table.append("a", 3, vec![file("3.parquet", &[1])]).await,
        "\"visitor\" is string, not long",
    );
    assert_eq!(f.keys().await, before);
}

#[tokio::test]
async fn tables_that_ask_for_more_are_left_alone() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    let protocol = json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping", "rowTracking"],
    });
    f.commit(1, &[json!({"protocol": protocol})]).await;
    let before = f.keys().await;
    check_error(table.append("a", 1, vec![file("1.parquet", &[1])]).await, "rowTracking");
    check_error(f.open(&spec()).await.map(drop), "rowTracking");
    f.put("_delta_log/00000000000000000002.json", "{\"protocol\": ").await;
    check_error(
        table.append("a", 1, vec![file("1.parquet", &[1])]).await,
        "version 2 cannot be read",
    );
    f.delete("_delta_log/00000000000000000002.json").await;
    assert_eq!(f.keys().await, before);
}

#[tokio::test]
async fn a_table_that_was_removed_is_gone_and_one_made_anew_is_another() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    table
        .append("a", 9, vec![file("1.parquet", &[1])])
        .await
        .expect("commits");
    for key in f.keys().await {
        f.delete(&key["clicks/".len()..]).await;
    }
    check_error(
        table.append("a", 10, vec![file("1.parquet", &[1])]).await,
        "no table at s3://lake/clicks/ any more",
    );
    assert!(f.keys().await.is_empty());
    let anew = f.open(&spec()).await.expect("a table");
    anew.append("a", 1, vec![file("1.parquet", &[1])])
        .await
        .expect("commits");
    // It has as many versions as the one before, and not its transactions.
    assert_eq!(
        committed(
            &table
                .append("a", 9, vec![file("2.parquet", &[1])])
                .await
                .expect("commits")
        ),
        2
    );
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    let before = f.keys().await;
    let check = async |file: AddedFile, part: &str| check_error(table.append("a", 1, vec![file]).await, part);
    let good = || file("a.parquet", &[1]);
    let with = |columns: Vec<(&str, ArrayRef)>| AddedFile {
        bytes: parquet(columns),
        ..good()
    };
    let ones = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    check(
        with(vec![("visitor", ones()), ("other", ones())]),
        "there is no column \"other\"",
    )
    .await;
    check(with(vec![("Visitor", ones())]), "there is no column \"Visitor\"").await;
    check(with(vec![("page", ones())]), "\"page\" is string, not long").await;
    check(with(vec![("visitor", ones()), ("day", ones())]), "\"day\"").await;
    let valued = |values: &[(&str, Option<&str>)]| AddedFile {
        partition_values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect(),
        ..good()
    };
    check(valued(&[]), "the partition columns are [\"day\"]").await;
    check(
        valued(&[("day", None), ("visitor", None)]),
        "the partition columns are [\"day\"]",
    )
    .await;
    for bad in ["2013-02-31", "20130131", "yesterday"] {
        check(valued(&[("day", Some(bad))]), bad).await;
    }
    for path in ["", "/a.parquet", "a//b", "../a", "_delta_log/a", "x/.a"] {
        check(
            AddedFile {
                path: path.to_owned(),
                ..good()
            },
            "a part of the path",
        )
        .await;
    }
    let bytes = Bytes::from_static(b"no Parquet file");
    check(AddedFile { bytes, ..good() }, "a.parquet").await;
    check_error(
        table.append("a", 1, vec![good(), good()]).await,
        "two files of this name",
    );
    assert_eq!(f.keys().await, before);
    // NULL, a missing column, and an empty batch are all right.
    let sparse = with(vec![("visitor", ones())]);
    let nulls = valued(&[("day", None)]);
    let nulls = AddedFile {
        path: "b.parquet".to_owned(),
        ..nulls
    };
    table.append("a", 1, vec![sparse, nulls]).await.expect("commits");
    table.append("a", 2, Vec::new()).await.expect("commits");
}

#[tokio::test]
async fn tables_are_what_was_asked_for() {
    let f = Fixture::new().await;
    let with = |fields: Vec<Field>, partitions: &[&str]| TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: partitions.iter().map(|name| (*name).to_owned()).collect(),
        name: None,
    };
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let list = Field::new_list("list", long("element"), true);
    for (spec, part) in [
        (with(vec![long("a"), long("A")], &[]), "two columns have the name \"A\""),
        (with(vec![long("a b")], &[]), "\"a b\" cannot name a column"),
        (
            with(vec![Field::new("a", DataType::UInt8, true)], &[]),
            "no type for UInt8",
        ),
        (with(vec![long("a")], &["b"]), "cannot be the partition columns"),
        (with(vec![long("a")], &["a"]), "no partition column"),
        (
            with(vec![long("a"), list], &["list"]),
            "cannot be the partition columns",
        ),
    ] {
        check_error(f.open(&spec).await.map(drop), part);
    }
    let nanos = Field::new("t", DataType::Timestamp(TimeUnit::Nanosecond, None), true);
    check_error(f.open(&with(vec![nanos], &[])).await.map(drop), "column \"t\"");
    assert!(f.keys().await.is_empty());
    f.open(&spec()).await.expect("a table");
    // Fewer columns, and a table that is there with others.
    f.open(&with(vec![long("visitor")], &["day"])).await.expect("the table");
    check_error(
        f.open(&with(vec![long("visitor")], &[])).await.map(drop),
        "partition columns are [\"day\"]",
    );
    check_error(
        f.open(&with(vec![long("page")], &["day"])).await.map(drop),
        "\"page\" is string, not long",
    );
    // A bucket that is not there.
    let location = Location::parse("s3://nowhere/").expect("a place");
    let (clock, random) = (f.clock.clock(), Random::from_os());
    let opened = DeltaTable::open_or_create(f.objects.clone(), clock, random, location, &spec()).await;
    assert!(matches!(opened, Err(LakeError::Objects(ObjectError::NoSuchBucket(_)))));
}
