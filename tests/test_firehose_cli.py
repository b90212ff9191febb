"""Firehose through the AWS CLI: every configuration is made, described back as it was asked for, and delivers."""

import json

import pytest
from conftest import eventually, make_bucket
from delivery_streams import ACCOUNT, ERRORS, LARGE, LINES, NOW, ROLE, conversion, destination, make_table, new_name, objects, processors

RECORD = '{"kind": "a", "n": 1}'
EXTRACT = ("MetadataExtraction", {"MetadataExtractionQuery": "{kind: .kind}", "JsonParsingEngine": "JQ-1.6"})
OPEN_X = {
    "OpenXJsonSerDe": {
        "CaseInsensitive": True, "ConvertDotsInJsonKeysToUnderscores": True, "ColumnToJsonKeyMappings": {"n": "n"},
    }
}
HIVE = {"HiveJsonSerDe": {"TimestampFormats": ["yyyy-MM-dd", "millis"]}}
PARQUET = {
    "ParquetSerDe": {
        "BlockSizeBytes": 67108864, "PageSizeBytes": 65536, "Compression": "GZIP", "EnableDictionaryCompression": True,
        "MaxPaddingBytes": 1, "WriterVersion": "V2",
    }
}
ORC = {
    "OrcSerDe": {
        "StripeSizeBytes": 8388608, "BlockSizeBytes": 67108864, "RowIndexStride": 1000, "EnablePadding": True,
        "PaddingTolerance": 0.25, "Compression": "ZLIB", "BloomFilterColumns": ["n"], "BloomFilterFalsePositiveProbability": 0.01,
        "DictionaryKeyThreshold": 0.5, "FormatVersion": "V0_12",
    }
}


def s3(**members):
    return lambda bucket, table: {"ExtendedS3DestinationConfiguration": destination(bucket, **members)}


def converted(deserializer, serializer):
    def make(bucket, table):
        format = {**conversion(*table, deserializer), "Enabled": True}
        format["OutputFormatConfiguration"] = {"Serializer": serializer}
        return {"ExtendedS3DestinationConfiguration": destination(bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=format)}

    return make


def http(bucket, table):
    return {
        "HttpEndpointDestinationConfiguration": {
            # Nobody listens there, so the record ends in the bucket.
            "EndpointConfiguration": {"Url": "https://localhost:1/records", "Name": "nobody"},
            "BufferingHints": NOW,
            "RequestConfiguration": {
                "ContentEncoding": "GZIP", "CommonAttributes": [{"AttributeName": "team", "AttributeValue": "data"}],
            },
            "ProcessingConfiguration": LINES,
            "RetryOptions": {"DurationInSeconds": 0},
            "S3BackupMode": "FailedDataOnly",
            "RoleARN": ROLE,
            "S3Configuration": {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "ErrorOutputPrefix": "failed/"},
        }
    }


def backed_up(bucket, table):
    backup = destination(bucket, Prefix="backup/", CompressionFormat="GZIP")
    return {"ExtendedS3DestinationConfiguration": destination(bucket, Prefix="main/", S3BackupMode="Enabled", S3BackupConfiguration=backup)}


CONFIGURATIONS = {
    "older": lambda bucket, table: {"S3DestinationConfiguration": destination(bucket, Prefix="old/", CompressionFormat="GZIP")},
    "names": s3(Prefix="a/!{timestamp:yyyy}/!{firehose:random-string}/", ErrorOutputPrefix=ERRORS, FileExtension=".log", CustomTimeZone="Asia/Tokyo"),
    **{kind: s3(CompressionFormat=kind) for kind in ("UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY")},
    "logging": s3(CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": "g", "LogStreamName": "s"}),
    "lines": s3(ProcessingConfiguration=LINES),
    "partitions": s3(
        Prefix="kind=!{partitionKeyFromQuery:kind}/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DynamicPartitioningConfiguration={"Enabled": True, "RetryOptions": {"DurationInSeconds": 60}},
        ProcessingConfiguration=processors(("RecordDeAggregation", {"SubRecordType": "JSON"}), EXTRACT),
    ),
    # What is no gzip is documented.
    "log documents": s3(
        ErrorOutputPrefix=ERRORS,
        ProcessingConfiguration=processors(
            ("Decompression", {"CompressionFormat": "GZIP"}), ("CloudWatchLogProcessing", {"DataMessageExtraction": "true"})
        ),
    ),
    "backup": backed_up,
    "Parquet": converted(OPEN_X, PARQUET),
    "ORC": converted(OPEN_X, ORC),
    "Hive": converted(HIVE, PARQUET),
    "HTTP": http,
    "hint": lambda bucket, table: {**s3()(bucket, table), "DirectPutSourceConfiguration": {"ThroughputHintInMBs": 3}},
}


def holds(described, asked):
    """Whether everything that was asked for is described, somewhere below the same names."""
    if isinstance(asked, dict):
        return all(name in described and holds(described[name], value) for name, value in asked.items())
    return described == asked


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_every_configuration_is_made_described_and_delivers(aws, client, s3, configuration):
    bucket = make_bucket(s3)
    table = make_table(client("glue"), bucket, {"kind": "string", "n": "int"})
    name, asked = new_name(), configuration(bucket, table)
    aws("firehose", "create-delivery-stream", "--delivery-stream-name", name, "--cli-input-json", json.dumps(asked))
    described = json.loads(aws("firehose", "describe-delivery-stream", "--delivery-stream-name", name))["DeliveryStreamDescription"]
    assert described["DeliveryStreamStatus"] == "ACTIVE"
    [back] = described["Destinations"]
    for kind, members in asked.items():
        if kind == "DirectPutSourceConfiguration":
            assert described["Source"]["DirectPutSourceDescription"] == members
            continue
        members = {
            {"S3BackupConfiguration": "S3BackupDescription", "S3Configuration": "S3DestinationDescription"}.get(member, member): value
            for member, value in members.items()
        }
        assert holds(back[kind.replace("Configuration", "Description")], members)
    record = json.dumps({"Data": RECORD})
    assert json.loads(aws("firehose", "put-record", "--delivery-stream-name", name, "--record", record))["RecordId"]
    wanted = 2 if configuration is backed_up else 1
    found = eventually(lambda: (them := objects(s3, bucket)) and len(them) >= wanted and them)
    assert len(found) == wanted and all(found.values())


def test_the_other_operations(aws, client, s3):
    bucket, name = make_bucket(s3), new_name()
    key = {"KeyType": "AWS_OWNED_CMK"}
    source = ["--delivery-stream-type", "DirectPut", "--delivery-stream-encryption-configuration-input", json.dumps(key)]
    aws(
        "firehose", "create-delivery-stream", "--delivery-stream-name", name, *source, "--tags", "Key=team,Value=data",
        "--extended-s3-destination-configuration", json.dumps(destination(bucket)),
    )
    of_it = ["--delivery-stream-name", name]
    call = lambda operation, *arguments: json.loads(aws("firehose", operation, *of_it, *arguments) or "{}")
    described = lambda: call("describe-delivery-stream")["DeliveryStreamDescription"]
    assert described()["DeliveryStreamEncryptionConfiguration"] == {**key, "Status": "ENABLED"}
    call("stop-delivery-stream-encryption")
    eventually(lambda: described()["DeliveryStreamEncryptionConfiguration"]["Status"] == "DISABLED")
    call("start-delivery-stream-encryption", "--delivery-stream-encryption-configuration-input", json.dumps(key))
    eventually(lambda: described()["DeliveryStreamEncryptionConfiguration"]["Status"] == "ENABLED")
    call("tag-delivery-stream", "--tags", "Key=cost,Value=7")
    call("untag-delivery-stream", "--tag-keys", "team")
    assert call("list-tags-for-delivery-stream")["Tags"] == [{"Key": "cost", "Value": "7"}]
    version = described()["VersionId"]
    update = ["--destination-id", "destinationId-000000000001", "--extended-s3-destination-update", json.dumps({"Prefix": "new/"})]
    call("update-destination", "--current-delivery-stream-version-id", version, *update)
    stale = aws("firehose", "update-destination", *of_it, "--current-delivery-stream-version-id", version, *update, check=False)
    assert stale.returncode != 0 and "ConcurrentModificationException" in stale.stderr
    records = json.dumps([{"Data": "one"}, {"Data": "two"}])
    put = call("put-record-batch", "--records", records)
    assert put["FailedPutCount"] == 0 and len(put["RequestResponses"]) == 2 and put["Encrypted"]
    eventually(lambda: b"".join(objects(s3, bucket, "new/").values()) == b"onetwo")
    assert name in json.loads(aws("firehose", "list-delivery-streams", "--limit", "10000"))["DeliveryStreamNames"]
    call("delete-delivery-stream")
    gone = aws("firehose", "describe-delivery-stream", *of_it, check=False)
    assert f"Firehose {name} under account {ACCOUNT} not found" in gone.stderr
