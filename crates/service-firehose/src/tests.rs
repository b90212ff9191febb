use std::sync::Arc;

use base::{ManualClock, Random, Scope, Tasks};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine_catalog::Catalog;
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

/// A service on a directory of its own, at a time that stands still.
struct Place {
    _dir: tempfile::TempDir,
    streams: Streams,
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
        let parts = DeliveryParts {
            catalog: Catalog::new(meta.clone(), clock.clone()),
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
async fn what_does_not_fit_together_is_refused() {
    let place = Place::new();
    let converted = |change: fn(&mut Value)| {
        let mut config = conversion();
        change(&mut config);
        destination(json!({ "DataFormatConversionConfiguration": config }))
    };
    let with = |key: &str, value: Value| {
        let mut asked = partitioned("!{partitionKeyFromQuery:a}/", "{a: .a}");
        asked[key] = value;
        asked
    };
    let error_type = "!{firehose:error-output-type}/";
    let cases = [
        // Prefixes.
        (
            destination(json!({"Prefix": "!{timestamp:yyyy}/"})),
            "ErrorOutputPrefix cannot be null or empty when Prefix",
        ),
        (
            destination(json!({"Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": "e/!{timestamp:yyyy}/"})),
            "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}",
        ),
        (
            destination(json!({"Prefix": error_type, "ErrorOutputPrefix": error_type})),
            "Prefix must not contain any occurrence of !{firehose:error-output-type}",
        ),
        (
            destination(json!({"Prefix": "a/!{nope:x}"})),
            "Namespace to the left of colon (nope) is an invalid keyword!",
        ),
        (
            destination(json!({"Prefix": "a/!{timestamp:yyyy"})),
            "Invalid expression usage in Prefix",
        ),
        (
            destination(json!({"ErrorOutputPrefix": "a/!{x}"})),
            "Invalid expression usage in ErrorOutputPrefix",
        ),
        (
            destination(json!({"Prefix": "!{firehose:nope}", "ErrorOutputPrefix": error_type})),
            "Invalid conversion character used in the value of the expression in Prefix",
        ),
        (
            destination(json!({"Prefix": "!{timestamp:b}", "ErrorOutputPrefix": error_type})),
            "Invalid conversion character used in the value of the expression in Prefix",
        ),
        (
            destination(json!({"Prefix": "a".repeat(513)})),
            "Length of evaluated prefix cannot be greater than 512",
        ),
        (
            // A prefix is evaluated before it is measured.
            destination(
                json!({"Prefix": format!("{}!{{timestamp:yyyy}}", "a".repeat(509)), "ErrorOutputPrefix": error_type}),
            ),
            "Length of evaluated prefix cannot be greater than 512",
        ),
        (
            destination(json!({"Prefix": "\u{1f6e9}".repeat(400)})),
            "Length of evaluated prefix cannot be greater than 727 bytes",
        ),
        (
            destination(json!({"ErrorOutputPrefix": "a".repeat(513)})),
            "Length of evaluated ErrorOutputPrefix cannot be greater than 512",
        ),
        // Dynamic partitioning.
        (
            destination(json!({"Prefix": "!{partitionKeyFromQuery:a}/", "ErrorOutputPrefix": error_type})),
            "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is enabled.",
        ),
        (
            with(
                "ErrorOutputPrefix",
                json!("!{firehose:error-output-type}/!{partitionKeyFromQuery:a}/"),
            ),
            "Dynamic Partitioning Namespaces can't be part of an error prefix expression",
        ),
        (
            with("Prefix", json!("plain/")),
            "S3 Prefix should contain Dynamic Partitioning namespaces when",
        ),
        (
            with("ProcessingConfiguration", json!({"Enabled": false})),
            "Processing Configuration is not enabled when",
        ),
        (
            with("Prefix", json!("!{partitionKeyFromLambda:a}/")),
            "Lambda should be present when S3 Prefix contains keys from partitionKeyFromLambda namespace",
        ),
        (
            with(
                "ProcessingConfiguration",
                processors(json!([{"Type": "AppendDelimiterToRecord"}])),
            ),
            "MetadataExtraction processor should be present when S3 Prefix has partitionKeyFromQuery namespace",
        ),
        (
            with(
                "ProcessingConfiguration",
                processors(json!([extraction("{a: .a, b: .b}")])),
            ),
            "MetaDataExtraction JQ Query can't contain keys that are not present in the S3 Prefix expression",
        ),
        (
            with(
                "Prefix",
                json!("!{partitionKeyFromQuery:a}/!{partitionKeyFromQuery:z}/"),
            ),
            "S3 Prefix expression can't contain the key z that is not present in the MetaDataExtraction JQ Query",
        ),
        (
            with("ProcessingConfiguration", processors(json!([extraction("{a: .a")]))),
            "MetaDataExtraction JQ Query is invalid: ",
        ),
        (
            with(
                "ProcessingConfiguration",
                processors(json!([{"Type": "MetadataExtraction"}])),
            ),
            "MetaDataExtraction JSON Parsing Engine has to be one of JQ-1.6",
        ),
        (
            with("DynamicPartitioningConfiguration", json!({"Enabled": false})),
            "class com.amazonaws.services.firehose.internal.model.MetadataExtractionProcessor can only be present when",
        ),
        (
            with("BufferingHints", json!({"SizeInMBs": 63, "IntervalInSeconds": 60})),
            "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled.",
        ),
        // Processors.
        (
            destination(json!({"ProcessingConfiguration": processors(json!([]))})),
            "A maximum of 5 and a minimum of 1",
        ),
        (
            destination(json!({"ProcessingConfiguration": processors(json!([
                {"Type": "AppendDelimiterToRecord"}, {"Type": "AppendDelimiterToRecord"}]))})),
            "Cannot have more than 1 AppendDelimiterToRecord processor.",
        ),
        (
            destination(json!({"ProcessingConfiguration": processors(json!([{"Type": "Lambda"}]))})),
            "catchment does not run Lambda processors yet.",
        ),
        (
            destination(
                json!({"ProcessingConfiguration": processors(json!([{"Type": "Decompression",
                "Parameters": [{"ParameterName": "CompressionFormat", "ParameterValue": "ZIP"}]}]))}),
            ),
            "CompressionFormat of Decompression processor has to be one of GZIP",
        ),
        (
            destination(
                json!({"ProcessingConfiguration": processors(json!([{"Type": "CloudWatchLogProcessing",
                "Parameters": [{"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}]}]))}),
            ),
            "CloudWatchLogProcessing processor can only be present when Decompression processor is present.",
        ),
        (
            with(
                "ProcessingConfiguration",
                processors(json!([extraction("{a: .a}"), {"Type": "RecordDeAggregation"}])),
            ),
            "SubRecordType of RecordDeAggregation processor has to be one of JSON, DELIMITED",
        ),
        // Conversion.
        (
            converted(|config| drop(config.as_object_mut().map(|map| map.remove("SchemaConfiguration")))),
            "SchemaConfiguration must not be null",
        ),
        (
            converted(|config| config["InputFormatConfiguration"] = Value::Null),
            "InputFormatConfiguration must not be null",
        ),
        (
            converted(|config| config["OutputFormatConfiguration"] = json!({})),
            "Serializer must not be null",
        ),
        (
            converted(|config| config["InputFormatConfiguration"]["Deserializer"] = json!({})),
            "Deserializer must not be null",
        ),
        (
            converted(|config| config["InputFormatConfiguration"]["Deserializer"]["HiveJsonSerDe"] = json!({})),
            "More than one deserializer specified. Only one may be chosen.",
        ),
        (
            converted(|config| config["OutputFormatConfiguration"]["Serializer"]["OrcSerDe"] = json!({})),
            "More than one serializer specified. Only one may be chosen.",
        ),
        (
            converted(|config| config["OutputFormatConfiguration"]["Serializer"] = json!({"OrcSerDe": {}})),
            "catchment does not write ORC (OrcSerDe) yet.",
        ),
        (
            converted(|config| config["SchemaConfiguration"]["TableName"] = Value::Null),
            "SchemaConfiguration.TableName must not be null",
        ),
        (
            converted(|config| config["SchemaConfiguration"]["CatalogId"] = "x".into()),
            "SchemaConfiguration.CatalogId x is invalid",
        ),
        (
            converted(|config| config["SchemaConfiguration"]["CatalogId"] = "111111111111".into()),
            "SchemaConfiguration.CatalogId 111111111111 must be the account of the delivery stream, 000000000000",
        ),
        (
            destination(json!({"DataFormatConversionConfiguration": conversion(), "CompressionFormat": "GZIP"})),
            "The S3 destination's compression format must be set to UNCOMPRESSED when data format conversion is enabled",
        ),
        (
            destination(json!({
                "DataFormatConversionConfiguration": conversion(),
                "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60}})),
            "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled.",
        ),
        // The rest.
        (
            destination(json!({"BufferingHints": {"SizeInMBs": 5}})),
            "Both SizeInMBs and IntervalInSeconds are required",
        ),
        (
            destination(json!({"CloudWatchLoggingOptions": {"Enabled": true}})),
            "CloudWatch Log Group Name is required if CloudWatch Logging is enabled",
        ),
        (
            destination(json!({"CustomTimeZone": "Moon/Crater"})),
            "CustomTimeZone Moon/Crater is not a valid time zone",
        ),
        (
            destination(json!({"S3BackupMode": "Enabled"})),
            "S3BackupConfiguration is required when S3BackupMode is Enabled",
        ),
        (
            destination(json!({"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": "arn:k"}}})),
            "catchment does not encrypt objects with KMS keys",
        ),
    ];
    for (asked, message) in cases {
        let error = place.create("d", asked.clone()).await.expect_err("refused");
        assert_eq!(error.code, "InvalidArgumentException", "{asked}");
        assert!(error.message.contains(message), "{asked}: {error}");
        assert!(place.firehose.deliveries.get(&Scope::default(), "d").is_err());
    }
}

#[tokio::test]
async fn sources_and_destinations_are_checked() {
    let place = Place::new();
    let id = StreamId::new(Kind::Data, &Scope::default(), "s");
    place.streams.create(NewStream::new(id, 2)).await.expect("creates");
    let call = place.call();
    let create = async |more: Value| {
        let mut input = json!({"DeliveryStreamName": "k"});
        let members = input.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        place.run(&call, create_delivery_stream::handle, input).await
    };
    let s3 = destination(json!({}));
    let source = |name: &str| json!({"KinesisStreamARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"), "RoleARN": "arn:aws:iam::000000000000:role/r"});
    let theirs = json!({"KinesisStreamARN": "arn:aws:kinesis:us-east-1:111111111111:stream/s", "RoleARN": "arn:aws:iam::000000000000:role/r"});
    let cases = [
        (
            json!({}),
            "Exactly one destination configuration is supported for a Firehose",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "ExtendedS3DestinationConfiguration": s3}),
            "Exactly one destination configuration",
        ),
        (
            json!({"SplunkDestinationConfiguration": {}}),
            "catchment does not deliver to Splunk yet.",
        ),
        (
            json!({"IcebergDestinationConfiguration": {}}),
            "catchment does not deliver to Apache Iceberg tables yet.",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "MSKAsSource"}),
            "catchment does not deliver from MSKAsSource yet.",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "KinesisStreamAsSource"}),
            "KinesisSourceStreamConfig is mandatory for KinesisStreamAsSource stream type.",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": source("missing")}),
            "Stream missing not found.",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": theirs}),
            "must belong to the account of the delivery stream, 000000000000",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "CUSTOMER_MANAGED_CMK"}}),
            "KeyARN is required when KeyType is CUSTOMER_MANAGED_CMK.",
        ),
        (
            json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": source("s"),
                "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"}}),
            "not permitted on KinesisStreamAsSource",
        ),
    ];
    for (input, message) in cases {
        let error = create(input.clone()).await.expect_err("refused");
        assert_eq!(error.code, "InvalidArgumentException", "{input}");
        assert!(error.message.contains(message), "{input}: {error}");
    }
    create(
        json!({"S3DestinationConfiguration": s3, "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": source("s")}),
    )
    .await
    .expect("creates");
    let described = place.describe("k").await;
    let mut expect = source("s");
    expect["DeliveryStartTimestamp"] = described["CreateTimestamp"].clone();
    assert_eq!(described["Source"], json!({ "KinesisStreamSourceDescription": expect }));
    assert_eq!(described["DeliveryStreamType"], "KinesisStreamAsSource");
    let input = json!({"DeliveryStreamName": "k", "Record": {"Data": "YQ=="}});
    let error = place.run(&call, put_record::handle, input).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "InvalidArgumentException: This operation is not permitted on KinesisStreamAsSource delivery stream type."
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
