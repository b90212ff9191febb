//! Tables as the Python package `deltalake` reads and writes them.
//!
//! `cargo xtask test` says where a Python with the pinned packages is; elsewhere the one that it made is taken, and
//! where there is none this test does nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use base::{Clock, Random, Scope, Tasks};
use bytes::Bytes;
use engine_lake::{AddedFile, DeltaTable, Location, Outcome, TableSpec};
use parquet::arrow::ArrowWriter;
use store_meta::Meta;
use store_objects::{Objects, PutOptions};

fn python() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CATCHMENT_TEST_PYTHON") {
        return Some(given.into());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let made = target.join("test-clients/bin/python");
    let has_package = Command::new(&made).args(["-c", "import deltalake"]).output();
    has_package.is_ok_and(|output| output.status.success()).then_some(made)
}

struct Lake {
    dir: tempfile::TempDir,
    objects: Objects,
    python: PathBuf,
}

impl Lake {
    async fn new(python: PathBuf) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let meta = Meta::open(dir.path().join("meta.redb")).expect("metadata");
        let clock = Clock::system();
        let objects = Objects::open(
            &dir.path().join("objects"),
            meta,
            clock,
            Random::from_os(),
            Tasks::new(),
        );
        let objects = objects.expect("opens");
        objects
            .create_bucket(&Scope::default(), "lake")
            .await
            .expect("a bucket");
        Self { dir, objects, python }
    }

    async fn table(&self) -> DeltaTable {
        let parts = (self.objects.clone(), Clock::system(), Random::from_os());
        let location = Location::parse("s3://lake/clicks/").expect("a place");
        let table = DeltaTable::open_or_create(parts.0, parts.1, parts.2, location, &spec()).await;
        table.expect("a table")
    }

    /// Runs one step of `delta_rs.py` on the table's files as they are on the disk, or on a copy of them that becomes
    /// the table's new objects.
    async fn run(&self, step: &str) {
        let copy = self.dir.path().join("copy");
        fs::create_dir_all(&copy).expect("a directory");
        let page = self
            .objects
            .list("lake", "clicks/", None, usize::MAX)
            .await
            .expect("a list");
        for object in &page.objects {
            let path = copy.join(&object.key);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            let content = self.objects.get_bytes("lake", &object.key).await.expect("an object");
            fs::write(path, content).expect("writes");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/delta_rs.py");
        let output = Command::new(&self.python)
            .arg(script)
            .arg(step)
            .arg(copy.join("clicks"))
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{step}: {said}");
        for object in &page.objects {
            if !copy.join(&object.key).exists() {
                self.objects.delete("lake", &object.key).await.expect("deletes");
            }
        }
        let mut open = vec![copy.clone()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let key = path.strip_prefix(&copy).expect("inside").to_str().expect("text");
                let content = Bytes::from(fs::read(&path).expect("reads"));
                let there = self.objects.get_bytes("lake", key).await.ok();
                if there.as_ref() != Some(&content) {
                    let put = self.objects.put_bytes("lake", key, content, PutOptions::default());
                    put.await.expect("puts");
                }
            }
        }
        fs::remove_dir_all(copy).expect("removes");
    }
}

fn spec() -> TableSpec {
    let mut fields: Vec<Field> = batch(0)
        .schema()
        .fields()
        .iter()
        .map(|field| (**field).clone())
        .collect();
    fields.push(Field::new("day", DataType::Date32, true));
    fields.push(Field::new("place", DataType::Utf8, true));
    TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: vec!["day".to_owned(), "place".to_owned()],
        name: Some("clicks".to_owned()),
    }
}

/// Two rows, in which everything grows with `step`; the second is NULL but for its number. `delta_rs.py` knows what is
/// in it.
fn batch(step: i32) -> RecordBatch {
    let wide = i64::from(step);
    let at = TimestampMicrosecondArray::from(vec![Some(wide * 1_000_001), None]);
    let decimal = Decimal128Array::from(vec![Some(i128::from(step) * 101), None]);
    let element = |value: i32| Some(vec![Some(value), None]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("step");
    map.values().append_value(step.to_string());
    map.append(true).expect("even");
    map.append(false).expect("even");
    let inner = Arc::new(Int32Array::from(vec![Some(step), None])) as ArrayRef;
    let inner = StructArray::from(vec![(Arc::new(Field::new("inner", DataType::Int32, true)), inner)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("step", Arc::new(Int32Array::from(vec![step, step]))),
        (
            "text",
            Arc::new(StringArray::from(vec![Some(format!("text {step} ü")), None])),
        ),
        (
            "double",
            Arc::new(Float64Array::from(vec![Some(f64::from(step) / 2.0), None])),
        ),
        (
            "single",
            Arc::new(Float32Array::from(vec![Some(step as f32 / 2.0), None])),
        ),
        ("byte", Arc::new(Int8Array::from(vec![Some(-(step as i8)), None]))),
        ("short", Arc::new(Int16Array::from(vec![Some(-(step as i16)), None]))),
        ("wide", Arc::new(Int64Array::from(vec![Some(wide << 40), None]))),
        (
            "bytes",
            Arc::new(BinaryArray::from(vec![Some(&[step as u8, 255][..]), None])),
        ),
        ("flag", Arc::new(BooleanArray::from(vec![Some(step % 2 == 0), None]))),
        ("date", Arc::new(Date32Array::from(vec![Some(step), None]))),
        ("local", Arc::new(at.clone())),
        ("instant", Arc::new(at.with_timezone("UTC"))),
        (
            "money",
            Arc::new(decimal.with_precision_and_scale(12, 2).expect("fits")),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
                element(step),
                None,
            ])),
        ),
        ("map", Arc::new(map.finish())),
        ("struct", Arc::new(inner)),
    ];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn file(step: i32) -> AddedFile {
    let batch = batch(step);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("writes");
    // The name of its directory has characters that a URI cannot hold, and the place is NULL every other time.
    let place = (step % 2 == 0).then(|| "a b/ü:%".to_owned());
    let day = format!("2013-01-{:02}", step + 1);
    let dir = place.as_ref().map_or("__HIVE_DEFAULT_PARTITION__", |_| "a b%2Fü%3A%25");
    AddedFile {
        path: format!("day={day}/place={dir}/{step}.parquet"),
        bytes: writer.into_inner().expect("ends").into(),
        partition_values: BTreeMap::from([("day".to_owned(), Some(day)), ("place".to_owned(), place)]),
    }
}

async fn append(table: &DeltaTable, steps: std::ops::Range<i32>) {
    for step in steps {
        let outcome = table
            .append("test", step.into(), vec![file(step)])
            .await
            .expect("commits");
        assert!(matches!(outcome, Outcome::Committed { .. }));
    }
}

#[tokio::test]
async fn the_package_reads_what_we_write_and_we_read_what_it_writes() {
    let Some(python) = python() else {
        println!("skipped: no Python with the package deltalake; `cargo xtask test` installs it");
        return;
    };
    let lake = Lake::new(python).await;
    let table = lake.table().await;
    append(&table, 0..3).await;
    lake.run("reads").await;
    // It appends, asks for a checkpoint every four commits, and replaces all files by fewer.
    lake.run("writes").await;
    append(&table, 3..12).await;
    lake.run("reads_checkpoint").await;
    // Its own checkpoint, and nothing that was before it.
    lake.run("cleans").await;
    append(&table, 12..14).await;
    append(&lake.table().await, 14..16).await;
    let again = table.append("test", 15, vec![file(15)]).await.expect("is there");
    assert_eq!(again, Outcome::AlreadyCommitted);
    lake.run("reads_all").await;
    lake.run("asks_for_more").await;
    let refused = table
        .append("test", 16, vec![file(16)])
        .await
        .expect_err("it cannot be written");
    assert!(refused.to_string().contains("constraint"), "{refused}");
}
