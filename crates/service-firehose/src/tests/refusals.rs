//! What does not fit together, and what catchment does not do.

use super::*;

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
async fn a_table_that_is_not_there_is_told_in_glues_words() {
    let place = Place::new();
    let asked = |more: Value| {
        let mut asked = destination(json!({"DataFormatConversionConfiguration": conversion()}));
        let schema = &mut asked["DataFormatConversionConfiguration"]["SchemaConfiguration"];
        let members = schema.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        asked
    };
    let from_glue = |what: &str| {
        format!("{what} not found. (Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException)")
    };
    let refused = async |asked: Value| {
        let error = place.create("d", asked).await.expect_err("refused");
        assert_eq!(error.code, "InvalidArgumentException");
        error.message
    };
    assert_eq!(refused(asked(json!({}))).await, from_glue("Database air"));
    place.table().await;
    assert_eq!(
        refused(asked(json!({"TableName": "Trains"}))).await,
        from_glue("Table trains")
    );
    assert_eq!(
        refused(asked(json!({"VersionId": "7"}))).await,
        from_glue("Table version 7")
    );
    place.create("d", asked(json!({}))).await.expect("creates");
}

#[tokio::test]
async fn a_backup_needs_its_role_in_updates_too() {
    let place = Place::new();
    place.create("d", destination(json!({}))).await.expect("creates");
    let call = place.call();
    let backup = json!({"S3BackupMode": "Enabled", "S3BackupUpdate": {"BucketARN": "arn:aws:s3:::lake"}});
    let input = json!({"DeliveryStreamName": "d", "CurrentDeliveryStreamVersionId": "1",
        "DestinationId": "destinationId-000000000001", "ExtendedS3DestinationUpdate": backup});
    let refused = place.run(&call, update_destination::handle, input).await;
    assert_eq!(
        refused.expect_err("refused").message,
        "S3BackupConfiguration.RoleARN must not be null"
    );
}
