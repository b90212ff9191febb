use std::sync::Arc;

use base::{ManualClock, Random, Scope, Tasks};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine_catalog::{Catalog, Column, DatabaseSpec, StorageDescriptor, TableSpec};
use engine_delivery::DeliveryParts;
use engine_log::streams::{Kind, NewStream, StreamId, Streams};
use engine_log::{Log, LogOptions};
use proptest::prelude::*;
use protocol_aws::{AwsError, Context};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store_objects::Objects;

use super::*;

mod refusals;

/// A service on a directory of its own, at a time that stands still.
struct Place {
    _dir: tempfile::TempDir,
    streams: Streams,
    catalog: Catalog,
    firehose: Arc<Firehose>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (clock, tasks) = (ManualClock::at(1_700_000_000_123).clock(), Tasks::new());
        let log = Log::open(LogOptions::new(dir.path().join("log"), clock.clone(), tasks.clone())).expect("opens");
        let meta = store_meta::Meta::open(dir.path().join("meta.redb")).expect("opens");
        let random = Random::seeded(7);
        let streams = Streams::open(log, meta.clone(), clock.clone(), tasks.clone()).expect("opens");
        let objects = Objects::open(
            &dir.path().join("objects"),
            meta.clone(),
            clock.clone(),
            random.clone(),
            tasks.clone(),
        );
        let catalog = Catalog::new(meta.clone(), clock.clone());
        let parts = DeliveryParts {
            catalog: catalog.clone(),
            meta,
            streams: streams.clone(),
            objects: objects.expect("opens"),
            clock,
            random,
            tasks,
            remote_buckets: Arc::default(),
            spill: dir.path().join("spill"),
        };
        Self {
            _dir: dir,
            streams,
            catalog,
            firehose: Arc::new(Firehose::new(Deliveries::open(parts).expect("opens"))),
        }
    }

    fn service(self) -> protocol_aws::Service {
        let Some(firehose) = Arc::into_inner(self.firehose) else {
            panic!("one owner")
        };
        service(firehose)
    }

    fn call(&self) -> Call {
        let context = Context {
            scope: Scope::default(),
            request_id: "request".into(),
            access_key: String::new(),
            endpoint: "http://localhost:4566".into(),
        };
        Call::new(self.firehose.clone(), context)
    }

    /// Runs a handler on awsJson, without validation by the model.
    async fn run<'a, I, O, F>(
        &self,
        call: &'a Call,
        handler: impl FnOnce(&'a Call, I) -> F,
        input: Value,
    ) -> Result<Value, AwsError>
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, AwsError>>,
    {
        let output = handler(call, serde_json::from_value(input).expect("an input")).await?;
        Ok(serde_json::to_value(output).expect("an output"))
    }

    /// The table that [`conversion`] names.
    async fn table(&self) {
        let scope = Scope::default();
        let database = DatabaseSpec {
            name: "air".into(),
            ..DatabaseSpec::default()
        };
        self.catalog
            .create_database(&scope, database)
            .await
            .expect("a database");
        let table = TableSpec {
            name: "flights".into(),
            storage_descriptor: Some(StorageDescriptor {
                columns: vec![Column::new("n", "int")],
                ..StorageDescriptor::default()
            }),
            ..TableSpec::default()
        };
        self.catalog.create_table(&scope, "air", table).await.expect("a table");
    }

    async fn create(&self, name: &str, destination: Value) -> Result<Value, AwsError> {
        let call = self.call();
        let input = json!({"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": destination});
        self.run(&call, create_delivery_stream::handle, input).await
    }

    async fn describe(&self, name: &str) -> Value {
        let call = self.call();
        let input = json!({"DeliveryStreamName": name});
        let output = self.run(&call, describe_delivery_stream::handle, input).await;
        output.expect("describes")["DeliveryStreamDescription"].take()
    }
}

fn destination(more: Value) -> Value {
    let mut destination = json!({"RoleARN": "arn:aws:iam::000000000000:role/r", "BucketARN": "arn:aws:s3:::lake"});
    let members = destination.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    destination
}

/// A conversion that is right.
fn conversion() -> Value {
    json!({
        "SchemaConfiguration": {
            "RoleARN": "arn:aws:iam::000000000000:role/r", "DatabaseName": "Air", "TableName": "flights",
        },
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
    })
}

fn processors(list: Value) -> Value {
    json!({"Enabled": true, "Processors": list})
}

fn extraction(query: &str) -> Value {
    json!({"Type": "MetadataExtraction", "Parameters": [
        {"ParameterName": "MetadataExtractionQuery", "ParameterValue": query},
        {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
    ]})
}

/// A destination that is partitioned by `query`.
fn partitioned(prefix: &str, query: &str) -> Value {
    destination(json!({
        "Prefix": prefix, "ErrorOutputPrefix": "e/!{firehose:error-output-type}/",
        "DynamicPartitioningConfiguration": {"Enabled": true},
        "ProcessingConfiguration": processors(json!([extraction(query)])),
    }))
}

#[tokio::test]
async fn what_is_not_built_is_listed() {
    protocol_aws::testing::check_unimplemented(&Place::new().service(), include_str!("../unimplemented.txt"));
}

#[tokio::test]
async fn the_models_cases_are_answered_as_they_must() {
    protocol_aws::testing::check_model_cases(Place::new().service()).await;
}

#[tokio::test]
async fn what_was_asked_for_is_described_with_the_defaults() {
    let place = Place::new();
    let created = place.create("d", destination(json!({}))).await.expect("creates");
    let arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/d";
    assert_eq!(created, json!({ "DeliveryStreamARN": arn }));
    let filled = destination(json!({
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300}, "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": false},
    }));
    let mut extended = filled.clone();
    extended["S3BackupMode"] = "Disabled".into();
    let expect = json!({
        "DeliveryStreamName": "d", "DeliveryStreamARN": arn, "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"}, "DeliveryStreamType": "DirectPut",
        "VersionId": "1", "CreateTimestamp": 1_700_000_000.123, "HasMoreDestinations": false,
        "Destinations": [{
            "DestinationId": "destinationId-000000000001", "S3DestinationDescription": filled,
            "ExtendedS3DestinationDescription": extended,
        }],
    });
    assert_eq!(place.describe("d").await, expect);
    let error = place.create("d", destination(json!({}))).await.expect_err("refused");
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        (
            "ResourceInUseException",
            "Firehose d under accountId 000000000000 already exists"
        )
    );
}

#[tokio::test]
async fn the_engine_is_told_what_was_asked_for() {
    let place = Place::new();
    let mut asked = partitioned("c=!{partitionKeyFromQuery:c}/", "{c: .carrier}");
    asked["DataFormatConversionConfiguration"] = conversion();
    asked["CustomTimeZone"] = "America/New_York".into();
    asked["FileExtension"] = ".pq".into();
    place.table().await;
    let delimiter = json!({"Type": "AppendDelimiterToRecord"});
    let list = asked["ProcessingConfiguration"]["Processors"].as_array_mut();
    list.expect("a list").push(delimiter);
    place.create("d", asked).await.expect("creates");
    let delivery = place.firehose.deliveries.get(&Scope::default(), "d").expect("there");
    let spec = &delivery.spec;
    assert_eq!(
        (spec.bucket.as_str(), spec.buffer_bytes, spec.buffer_interval_ms),
        ("lake", 128 << 20, 300_000)
    );
    assert_eq!(spec.partition_query.as_deref(), Some("{c: .carrier}"));
    assert_eq!(
        (spec.delimiter.as_deref(), spec.time_zone.as_str()),
        (Some("\n"), "America/New_York")
    );
    assert_eq!(spec.file_extension.as_deref(), Some(".pq"));
    let conversion = spec.conversion.as_ref().expect("a conversion");
    assert_eq!(
        (conversion.database.as_str(), conversion.table.as_str()),
        ("air", "flights")
    );
    assert_eq!(conversion.scope, Scope::default());
    let described = place.describe("d").await;
    let schema = &described["Destinations"][0]["ExtendedS3DestinationDescription"]["DataFormatConversionConfiguration"]
        ["SchemaConfiguration"];
    assert_eq!(
        (
            &schema["CatalogId"],
            &schema["Region"],
            &schema["VersionId"],
            &schema["DatabaseName"]
        ),
        (
            &json!("000000000000"),
            &json!("us-east-1"),
            &json!("LATEST"),
            &json!("Air")
        )
    );
}

#[tokio::test]
async fn updates_are_merged_and_versions_compared() {
    let place = Place::new();
    place
        .create("d", destination(json!({"Prefix": "a/"})))
        .await
        .expect("creates");
    let call = place.call();
    let update = async |version: &str, id: &str, update: Value| {
        let input = json!({"DeliveryStreamName": "d", "CurrentDeliveryStreamVersionId": version,
            "DestinationId": id, "ExtendedS3DestinationUpdate": update});
        place.run(&call, update_destination::handle, input).await
    };
    let id = "destinationId-000000000001";
    let changed = json!({"CompressionFormat": "GZIP", "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}});
    update("1", id, changed).await.expect("updates");
    update("2", id, json!({"BufferingHints": {"IntervalInSeconds": 60}}))
        .await
        .expect("updates");
    let described = place.describe("d").await;
    let now = &described["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!(
        (&now["Prefix"], &now["CompressionFormat"]),
        (&json!("a/"), &json!("GZIP"))
    );
    assert_eq!(now["BufferingHints"], json!({"SizeInMBs": 1, "IntervalInSeconds": 60}));
    assert_eq!(
        (&described["VersionId"], described.get("LastUpdateTimestamp").is_some()),
        (&json!("3"), true)
    );
    let stale = update("2", id, json!({})).await.expect_err("refused");
    assert_eq!(stale.code, "ConcurrentModificationException");
    assert!(
        stale
            .message
            .contains("current version id: 3 and specified version id: 2"),
        "{stale}"
    );
    let elsewhere = update("3", "destinationId-000000000002", json!({}))
        .await
        .expect_err("refused");
    assert_eq!(elsewhere.message, "Destination Id destinationId-000000000002 not found");
    let unfit = update("3", id, json!({"Prefix": "!{timestamp:yyyy}/"}))
        .await
        .expect_err("refused");
    assert_eq!(unfit.code, "InvalidArgumentException");
    assert_eq!(place.describe("d").await, described);
}

#[tokio::test]
async fn nothing_is_taken_over_from_a_destination_of_another_type() {
    let place = Place::new();
    let compressed = json!({"Prefix": "a/", "CompressionFormat": "GZIP"});
    place.create("d", destination(compressed)).await.expect("creates");
    let call = place.call();
    let update = async |version: &str, kind: &str, update: Value| {
        let input = json!({"DeliveryStreamName": "d", "CurrentDeliveryStreamVersionId": version,
            "DestinationId": "destinationId-000000000001", kind: update});
        place.run(&call, update_destination::handle, input).await
    };
    let endpoint = json!({"Url": "https://example.com/take"});
    for (s3, lacking) in [
        (
            json!({"RoleARN": "arn:aws:iam::000000000000:role/r"}),
            "BucketARN must be specified",
        ),
        (json!({"BucketARN": "arn:aws:s3:::lake"}), "RoleARN must be specified"),
        (Value::Null, "RoleARN must be specified"),
    ] {
        let http = json!({"EndpointConfiguration": endpoint, "S3Update": s3});
        let refused = update("1", "HttpEndpointDestinationUpdate", http)
            .await
            .expect_err("refused");
        assert!(refused.message.contains(lacking), "{refused}");
    }
    let no_endpoint = json!({"S3Update": destination(json!({}))});
    let refused = update("1", "HttpEndpointDestinationUpdate", no_endpoint).await;
    assert_eq!(
        refused.expect_err("refused").message,
        "EndpointConfiguration must not be null"
    );

    let http = json!({"EndpointConfiguration": endpoint, "S3Update": destination(json!({"Prefix": "b/"}))});
    update("1", "HttpEndpointDestinationUpdate", http)
        .await
        .expect("updates");
    let described = place.describe("d").await;
    let now = &described["Destinations"][0];
    assert!(now.get("ExtendedS3DestinationDescription").is_none(), "{now}");
    let http = &now["HttpEndpointDestinationDescription"];
    assert_eq!(http["EndpointConfiguration"]["Url"], "https://example.com/take");
    let s3 = &http["S3DestinationDescription"];
    assert_eq!(
        (&s3["Prefix"], &s3["CompressionFormat"]),
        (&json!("b/"), &json!("UNCOMPRESSED"))
    );

    let back = destination(json!({"FileExtension": ".log"}));
    update("2", "ExtendedS3DestinationUpdate", back).await.expect("updates");
    let described = place.describe("d").await;
    let now = &described["Destinations"][0];
    assert!(now.get("HttpEndpointDestinationDescription").is_none(), "{now}");
    let s3 = &now["ExtendedS3DestinationDescription"];
    assert_eq!((s3.get("Prefix"), &s3["FileExtension"]), (None, &json!(".log")));
}

#[tokio::test]
async fn lists_and_tags_come_page_by_page() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.create(name, destination(json!({}))).await.expect("creates");
    }
    let call = place.call();
    let list = async |input: Value| {
        place
            .run(&call, list_delivery_streams::handle, input)
            .await
            .expect("lists")
    };
    let page = list(json!({"Limit": 2})).await;
    assert_eq!(
        page,
        json!({"DeliveryStreamNames": ["a", "b"], "HasMoreDeliveryStreams": true})
    );
    let page = list(json!({"ExclusiveStartDeliveryStreamName": "b"})).await;
    assert_eq!(
        page,
        json!({"DeliveryStreamNames": ["c"], "HasMoreDeliveryStreams": false})
    );
    assert_eq!(
        list(json!({"DeliveryStreamType": "KinesisStreamAsSource"})).await["DeliveryStreamNames"],
        json!([])
    );

    let tags: Vec<_> = (0..50)
        .map(|n| json!({"Key": format!("k{n:02}"), "Value": "v"}))
        .collect();
    let input = json!({"DeliveryStreamName": "a", "Tags": tags});
    place
        .run(&call, tag_delivery_stream::handle, input)
        .await
        .expect("tags");
    let more = json!({"DeliveryStreamName": "a", "Tags": [{"Key": "more"}]});
    let error = place
        .run(&call, tag_delivery_stream::handle, more.clone())
        .await
        .expect_err("refused");
    assert_eq!(error.code, "LimitExceededException");
    let input = json!({"DeliveryStreamName": "a", "TagKeys": ["k00", "k01", "none"]});
    place
        .run(&call, untag_delivery_stream::handle, input)
        .await
        .expect("untags");
    place.run(&call, tag_delivery_stream::handle, more).await.expect("tags");
    let input = json!({"DeliveryStreamName": "a", "ExclusiveStartTagKey": "k48", "Limit": 1});
    let page = place
        .run(&call, list_tags_for_delivery_stream::handle, input)
        .await
        .expect("lists");
    assert_eq!(
        page,
        json!({"Tags": [{"Key": "k49", "Value": "v"}], "HasMoreTags": true})
    );

    let named = json!({"DeliveryStreamName": "a"});
    place
        .run(&call, delete_delivery_stream::handle, named.clone())
        .await
        .expect("deletes");
    let error = place
        .run(&call, describe_delivery_stream::handle, named)
        .await
        .expect_err("gone");
    assert_eq!(
        error.to_string(),
        "ResourceNotFoundException: Firehose a under account 000000000000 not found."
    );
}

#[tokio::test]
async fn batches_that_are_too_large_change_nothing() {
    let place = Place::new();
    place.create("d", destination(json!({}))).await.expect("creates");
    let call = place.call();
    let batch = |sizes: &[usize]| {
        let records = sizes
            .iter()
            .map(|bytes| json!({"Data": STANDARD.encode(vec![b'x'; *bytes])}));
        json!({"DeliveryStreamName": "d", "Records": records.collect::<Vec<_>>()})
    };
    let million = put::RECORD_BYTES_MAX;
    let full = batch(&[million, million, million, million, (4 << 20) - 4 * million]);
    assert!(
        put_record_batch::fast(&call, &Bytes::from(full.to_string()))
            .await
            .expect("ordinary")
            .is_ok()
    );
    let over = batch(&[million, million, million, million, (4 << 20) - 4 * million + 1]);
    assert!(
        put_record_batch::fast(&call, &Bytes::from(over.to_string()))
            .await
            .is_none()
    );
    let error = place
        .run(&call, put_record_batch::handle, over)
        .await
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "InvalidArgumentException: Records size exceeds 4 MB limit"
    );
    let large = json!({"DeliveryStreamName": "d", "Record": {"Data": STANDARD.encode(vec![b'x'; million + 1])}});
    assert!(put_record::fast(&call, &Bytes::from(large.to_string())).await.is_none());
}

#[derive(Debug, Clone)]
struct RawRecord {
    data: Vec<u8>,
    damage: u8,
}

/// The body, and whether the hot path must take it.
fn body(records: &[RawRecord], name_first: bool, pretty: bool) -> (Value, Bytes, bool) {
    let mut ordinary = true;
    let entries = records.iter().map(|record| {
        let mut entry = json!({"Data": STANDARD.encode(&record.data)});
        match record.damage {
            0 => entry["Data"] = "not base64".into(),
            1 => entry["Data"] = "YR==".into(),
            2 => entry["More"] = "unknown".into(),
            _ => return entry,
        }
        ordinary = false;
        entry
    });
    let entries = Value::from(entries.collect::<Vec<_>>());
    let text = |value: &Value| {
        if pretty {
            format!("{value:#}")
        } else {
            value.to_string()
        }
    };
    let bytes = if name_first {
        format!("{{\"DeliveryStreamName\":\"d\",\"Records\":{}}}", text(&entries))
    } else {
        format!("{{ \"Records\": {}, \"DeliveryStreamName\": \"d\" }}", text(&entries))
    };
    (
        json!({"DeliveryStreamName": "d", "Records": entries}),
        bytes.into(),
        ordinary,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_hot_path_and_the_common_way_agree(
        calls in proptest::collection::vec((proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..200), any::<u8>()).prop_map(|(data, damage)| RawRecord { data, damage }),
            1..12), any::<bool>(), any::<bool>()), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
        runtime.block_on(async {
            let (hot, common) = (Place::new(), Place::new());
            hot.create("d", destination(json!({}))).await.expect("creates");
            common.create("d", destination(json!({}))).await.expect("creates");
            let (hot_call, common_call) = (hot.call(), common.call());
            for (records, name_first, pretty) in &calls {
                let (value, bytes, ordinary) = body(records, *name_first, *pretty);
                let answer = put_record_batch::fast(&hot_call, &bytes).await;
                assert_eq!(answer.is_some(), ordinary, "{}", String::from_utf8_lossy(&bytes));
                if let Some(answer) = answer {
                    let answer: Value = serde_json::from_slice(&answer.expect("appends")).expect("JSON");
                    let expected = common.run(&common_call, put_record_batch::handle, value).await.expect("appends");
                    assert_eq!(answer, expected);
                }
                let (single, _, ordinary) = body(std::slice::from_ref(&records[0]), true, *pretty);
                let single = json!({"DeliveryStreamName": "d", "Record": single["Records"][0]});
                let answer = put_record::fast(&hot_call, &Bytes::from(single.to_string())).await;
                assert_eq!(answer.is_some(), ordinary, "{single}");
                if let Some(answer) = answer {
                    let answer: Value = serde_json::from_slice(&answer.expect("appends")).expect("JSON");
                    assert_eq!(answer, common.run(&common_call, put_record::handle, single).await.expect("appends"));
                }
            }
            let own = async |place: &Place| {
                let delivery = place.firehose.deliveries.get(&Scope::default(), "d").expect("there");
                let id = StreamId::new(Kind::Internal, &Scope::default(), format!("delivery/{}", delivery.uid));
                let stream = place.streams.get(&id).expect("there");
                let read = place.streams.log().read(&stream.partitions()[0], 0, usize::MAX, usize::MAX).await.expect("reads");
                read.records.iter().map(|record| record.data.clone()).collect::<Vec<_>>()
            };
            assert_eq!(own(&hot).await, own(&common).await);
        });
    }
}
