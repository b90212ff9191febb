//! Delivery streams over real stores in a temporary directory, ended and taken up again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Clock, Random, Scope, Tasks};
use bytes::Bytes;
use engine_catalog::{Catalog, Column, DatabaseSpec, StorageDescriptor, TableSpec};
use engine_formats::{Compression, JsonOptions};
use engine_log::streams::Streams;
use engine_log::{Log, LogOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use store_meta::Meta;
use store_objects::Objects;

use crate::{
    Conversion, Deliveries, DeliveryError, DeliveryParts, DeliverySpec, DeliveryStatus, Destination, NewDelivery,
    Output, Processing, Source,
};

mod changes;
mod failures;
mod streams;

/// No test waits longer for a state.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a test has go wrong once an object is written and before that is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    end: Arc<AtomicBool>,
    panic: Arc<AtomicBool>,
}

impl Faults {
    /// Whether the work ends here.
    pub(crate) fn strike_before_commit(&self) -> bool {
        assert!(!self.panic.swap(false, Ordering::SeqCst), "the test asks for it");
        self.end.load(Ordering::SeqCst)
    }
}

pub(crate) struct Platform {
    pub(crate) deliveries: Deliveries,
    pub(crate) parts: DeliveryParts,
}

impl Platform {
    pub(crate) fn open(dir: &Path) -> Self {
        Self::open_with(dir, |_| {})
    }

    /// Opens with what `prepare` does before any delivery stream goes on.
    fn open_with(dir: &Path, prepare: impl FnOnce(&DeliveryParts)) -> Self {
        let (clock, random, tasks) = (Clock::system(), Random::from_os(), Tasks::new());
        let meta = Meta::open(dir.join("meta.redb")).expect("metadata");
        let objects = Objects::open(
            &dir.join("objects"),
            meta.clone(),
            clock.clone(),
            random.clone(),
            tasks.clone(),
        )
        .expect("objects");
        let log = Log::open(LogOptions::new(dir.join("log"), clock.clone(), tasks.clone())).expect("log");
        let streams = Streams::open(log, meta.clone(), clock.clone(), tasks.clone()).expect("streams");
        let catalog = Catalog::new(meta.clone(), clock.clone());
        let parts = DeliveryParts {
            meta,
            streams,
            objects,
            catalog,
            clock,
            random,
            tasks,
            remote_buckets: Arc::default(),
            spill: dir.join("spill"),
            faults: Faults::default(),
        };
        prepare(&parts);
        Self {
            deliveries: Deliveries::open(parts.clone()).expect("deliveries"),
            parts,
        }
    }

    pub(crate) async fn close(self) {
        self.parts.tasks.shutdown().await;
        self.parts.streams.log().close().await;
    }

    async fn bucket(&self) {
        self.parts
            .objects
            .create_bucket(&Scope::default(), "lake")
            .await
            .expect("a bucket");
    }

    /// The table that [`conversion`] names, in a database that is made where it is not there.
    async fn table(&self, parameters: &[(&str, &str)]) {
        self.table_of(&[("n", "int"), ("carrier_name", "string")], parameters)
            .await;
    }

    async fn table_of(&self, columns: &[(&str, &str)], parameters: &[(&str, &str)]) {
        let (scope, catalog) = (Scope::default(), &self.parts.catalog);
        let database = DatabaseSpec {
            name: "d".into(),
            ..DatabaseSpec::default()
        };
        drop(catalog.create_database(&scope, database).await);
        let parameters = parameters.iter().chain([&("catchment.register_partitions", "true")]);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let table = TableSpec {
            name: "t".into(),
            partition_keys: vec![Column::new("carrier", "string")],
            parameters: Some(parameters.map(owned).collect()),
            storage_descriptor: Some(StorageDescriptor {
                columns: columns.iter().map(|(name, hive)| Column::new(*name, *hive)).collect(),
                location: Some("s3://lake/flights/".into()),
                ..StorageDescriptor::default()
            }),
            ..TableSpec::default()
        };
        catalog.create_table(&scope, "d", table).await.expect("a table");
    }

    async fn drop_table(&self) {
        let dropped = self.parts.catalog.delete_table(&Scope::default(), "d", "t").await;
        dropped.expect("drops the table");
    }

    pub(crate) async fn create(&self, spec: DeliverySpec) {
        self.try_create(spec).await.expect("creates");
    }

    async fn try_create(&self, spec: DeliverySpec) -> Result<(), DeliveryError> {
        let (scope, name) = (Scope::default(), "flights".to_owned());
        let new = NewDelivery {
            scope,
            name,
            spec,
            config: Value::Null,
            tags: BTreeMap::new(),
            encryption_key: None,
        };
        self.deliveries.create(new).await.map(drop)
    }

    async fn put(&self, records: &[&str]) {
        let records = records
            .iter()
            .map(|record| Bytes::copy_from_slice(record.as_bytes()))
            .collect();
        self.deliveries
            .put(&Scope::default(), "flights", records)
            .await
            .expect("puts");
    }

    /// The objects under a prefix by name.
    async fn objects(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let page = self
            .parts
            .objects
            .list("lake", prefix, None, 1_000)
            .await
            .expect("lists");
        let mut found = Vec::new();
        for object in page.objects {
            found.push((
                object.key.clone(),
                self.parts.objects.get_bytes("lake", &object.key).await.expect("reads"),
            ));
        }
        found
    }

    fn status(&self) -> DeliveryStatus {
        self.deliveries.status().remove(0)
    }

    /// Waits until `reached` gives something.
    async fn until<T>(&self, what: &str, mut reached: impl AsyncFnMut() -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = reached().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let outcome = tokio::time::timeout(WAIT_MAX, wait).await;
        outcome.unwrap_or_else(|_| panic!("{what} does not happen: {:?}", self.deliveries.status()))
    }

    /// The reason of the current failure, once there is one.
    async fn failure(&self) -> String {
        self.until("a failure", async || self.status().last_error).await
    }

    /// The lines of all objects under a prefix, sorted.
    async fn lines(&self, prefix: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (_, content) in self.objects(prefix).await {
            let text = std::str::from_utf8(&content).expect("text");
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        lines
    }

    /// Waits until everything is delivered, and one more record through the whole way, which shows what is written
    /// late; then looks whether each record is there once.
    async fn check_delivered_once(&self, mut sent: Vec<String>) {
        let all = async |sent: &[String]| {
            self.until("a delivery", async || {
                (self.lines("").await.len() >= sent.len()).then_some(())
            })
            .await;
        };
        all(&sent).await;
        self.put(&["the last one"]).await;
        sent.push("the last one".to_owned());
        all(&sent).await;
        let idle = async || {
            let status = self.status();
            (status.lag_records == 0 && status.buffered_records == 0).then_some(())
        };
        self.until("idleness", idle).await;
        sent.sort();
        assert_eq!(self.lines("").await, sent);
    }

    /// Waits until every record put so far is delivered or failed.
    async fn settled(&self, records: u64) {
        let reached = async {
            loop {
                let status = &self.deliveries.status()[0];
                if status.delivered_records + status.failed_records >= records {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let outcome = tokio::time::timeout(WAIT_MAX, reached).await;
        assert!(outcome.is_ok(), "{:?}", self.deliveries.status());
    }
}

pub(crate) fn spec() -> DeliverySpec {
    DeliverySpec {
        source: Source::DirectPut,
        destination: Destination::Objects,
        bucket: "lake".into(),
        prefix: "raw/!{timestamp:yyyy}/".into(),
        error_prefix: "errors/!{firehose:error-output-type}/".into(),
        buffer_bytes: 1 << 20,
        buffer_interval_ms: 0,
        compression: Compression::None,
        file_extension: None,
        time_zone: "UTC".into(),
        processing: Processing::default(),
        partition_query: None,
        delimiter: Some("\n".into()),
        conversion: None,
        backup: None,
    }
}

/// To the columns of [`Platform::table`].
fn conversion() -> Conversion {
    Conversion {
        scope: Scope::default(),
        database: "d".into(),
        table: "t".into(),
        version: None,
        json: JsonOptions::default(),
        output: Output::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_arrive_once_over_restarts_and_trials() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sent = Vec::new();
    for restart in 0..4 {
        let platform = Platform::open(dir.path());
        if restart == 0 {
            platform.create(spec()).await;
        }
        if restart == 2 {
            // Until now every attempt failed and left its plan.
            platform.bucket().await;
        }
        for batch in 0..20 {
            let records: Vec<String> = (0..10).map(|n| format!("{restart}-{batch}-{n}")).collect();
            platform
                .put(&records.iter().map(String::as_str).collect::<Vec<_>>())
                .await;
            sent.extend(records);
        }
        if restart == 1 {
            platform.failure().await;
        }
        if restart == 3 {
            platform.check_delivered_once(sent.clone()).await;
        }
        platform.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_partitioned_converted_registered_and_bad_ones_documented() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    let scope = Scope::default();
    let catalog = &platform.parts.catalog;
    platform.table(&[]).await;
    platform
        .create(DeliverySpec {
            prefix: "flights/carrier=!{partitionKeyFromQuery:carrier}/".into(),
            partition_query: Some("{carrier: .c}".into()),
            conversion: Some(conversion()),
            ..spec()
        })
        .await;
    platform
        .put(&[
            r#"{"n": 1, "c": "UA", "carrier_name": "United"}"#,
            r#"{"n": "x", "c": "UA"}"#,
            r#"{"n": 2, "c": "AA"}"#,
            r#"{"n": 3}"#,
            "not json",
            r#"{"n": 4, "c": "UA"}"#,
        ])
        .await;
    platform.settled(6).await;
    let mut rows = BTreeMap::new();
    for (key, content) in platform.objects("flights/").await {
        assert!(key.ends_with(".parquet"), "{key}");
        let carrier = key.split(['=', '/']).nth(2).expect("a carrier").to_owned();
        for batch in ParquetRecordBatchReaderBuilder::try_new(content)
            .expect("Parquet")
            .build()
            .expect("a reader")
        {
            let batch = batch.expect("a batch");
            let numbers = batch
                .column(0)
                .as_any()
                .downcast_ref::<arrow::array::Int32Array>()
                .expect("ints");
            rows.entry(carrier.clone())
                .or_insert_with(Vec::new)
                .extend(numbers.values().iter().copied());
        }
    }
    assert_eq!(
        rows,
        BTreeMap::from([("AA".to_owned(), vec![2]), ("UA".to_owned(), vec![1, 4])])
    );

    let documents = |objects: Vec<(String, Bytes)>| -> Vec<Value> {
        let lines = |content: &Bytes| {
            content
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .map(|l| serde_json::from_slice(l).expect("JSON"))
                .collect::<Vec<Value>>()
        };
        objects.iter().flat_map(|(_, content)| lines(content)).collect()
    };
    let unconverted = documents(platform.objects("errors/format-conversion-failed/").await);
    assert_eq!(unconverted.len(), 1);
    assert_eq!(unconverted[0]["lastErrorCode"], "DataFormatConversion.MalformedData");
    assert_eq!(unconverted[0]["rawData"], "eyJuIjogIngiLCAiYyI6ICJVQSJ9");
    assert!(
        unconverted[0]["lastErrorMessage"]
            .as_str()
            .expect("a message")
            .contains(r#"column n (int): expected an integer, found a string "x""#),
        "{unconverted:?}"
    );
    assert_eq!(unconverted[0]["dataCatalogTable"]["tableName"], "t");
    let unpartitioned = documents(platform.objects("errors/metadata-extraction-failed/").await);
    assert_eq!(unpartitioned.len(), 2);

    let known = |values: &str| {
        catalog
            .partition(&scope, "d", "t", &std::iter::once(values).collect())
            .map(|p| p.spec.storage_descriptor.and_then(|s| s.location))
    };
    assert_eq!(
        known("UA").expect("a partition").as_deref(),
        Some("s3://lake/flights/carrier=UA/")
    );
    assert_eq!(
        known("AA").expect("a partition").as_deref(),
        Some("s3://lake/flights/carrier=AA/")
    );

    // Where every record is rejected there is no object, and so no partition.
    let last_object = platform.status().last_object;
    platform.put(&[r#"{"n": "x", "c": "ZZ"}"#]).await;
    platform.settled(7).await;
    assert!(known("ZZ").is_err());
    assert_eq!(platform.status().last_object, last_object);
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_between_records_and_names_are_unique() {
    let dir = tempfile::tempdir().expect("a directory");
    let platform = Platform::open(dir.path());
    platform.bucket().await;
    platform.create(spec()).await;
    let scope = Scope::default();
    let again = NewDelivery {
        scope: scope.clone(),
        name: "flights".into(),
        spec: spec(),
        config: Value::Null,
        tags: BTreeMap::new(),
        encryption_key: None,
    };
    assert!(matches!(
        platform.deliveries.create(again).await,
        Err(DeliveryError::Exists(_))
    ));
    platform.put(&["before"]).await;
    platform.settled(1).await;
    let other = DeliverySpec {
        prefix: "other/!{timestamp:yyyy}/".into(),
        ..spec()
    };
    let stale = platform
        .deliveries
        .update(&scope, "flights", 7, other.clone(), Value::Null)
        .await;
    assert!(matches!(
        stale,
        Err(DeliveryError::VersionMismatch {
            expected: 7,
            current: 1
        })
    ));
    let updated: Arc<_> = platform
        .deliveries
        .update(&scope, "flights", 1, other, Value::Null)
        .await
        .expect("updates");
    assert_eq!(updated.version, 2);
    // The worker may be reading while the settings change.
    let mut sent = vec!["before".to_owned()];
    while platform.objects("other/").await.is_empty() {
        let record = format!("after {}", sent.len());
        platform.put(&[&record]).await;
        sent.push(record);
        platform.settled(sent.len() as u64).await;
    }
    assert!(platform.lines("raw/").await.contains(&"before".to_owned()));
    platform.check_delivered_once(sent).await;
    platform.deliveries.delete(&scope, "flights").await.expect("deletes");
    assert!(matches!(
        platform.deliveries.get(&scope, "flights"),
        Err(DeliveryError::NotFound(_))
    ));
    platform.create(spec()).await;
    platform.put(&["anew"]).await;
    platform.settled(1).await;
    platform.close().await;
}
