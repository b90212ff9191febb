"""What the tests of Firehose share: delivery streams that are made, fed and looked at."""

import hashlib
import itertools
import os
import pathlib
import re
import urllib.request
import uuid

import botocore.config
import pyarrow
import pyarrow.parquet
from conftest import eventually

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/firehose"
DESTINATION = "destinationId-000000000001"
MIB = 1 << 20
FLIGHTS = pathlib.Path(__file__).parent.parent / "examples" / "flights" / "flights.csv.zst"
ERRORS = "errors/!{firehose:error-output-type}/"
# What follows the prefix: name, version, time of the first record, and a UUID.
NAME = r"(?P<name>[\w.-]+)-(?P<version>\d+)-(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NOW = {"SizeInMBs": 1, "IntervalInSeconds": 0}
# The least that conversion and dynamic partitioning take.
LARGE = {"SizeInMBs": 64, "IntervalInSeconds": 0}
LARGE_SECOND = {"SizeInMBs": 64, "IntervalInSeconds": 1}
LINES = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}]}
numbers = itertools.count()


def new_name():
    return f"delivery-{os.getpid()}-{next(numbers)}"


def destination(bucket, **more):
    return {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "BufferingHints": NOW, **more}


def make(firehose, bucket, **more):
    name = new_name()
    made = firehose.create_delivery_stream(
        DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination(bucket, **more)
    )
    assert made["DeliveryStreamARN"] == f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{name}"
    return name


def path_style(server):
    return server.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}))


def put(firehose, name, records):
    """All records, in order, in as few calls as the limits allow."""
    for start in range(0, len(records), 500):
        batch = [{"Data": record} for record in records[start : start + 500]]
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=batch)
        assert answer["FailedPutCount"] == 0 and len(answer["RequestResponses"]) == len(batch)


def objects(s3, bucket, prefix=""):
    """All objects below a prefix, by key."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            found[entry["Key"]] = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    return found


def lines(contents):
    return [line for content in contents for line in content.splitlines()]


def delivered(s3, bucket, count, prefix="", records=lines):
    """The objects, once they hold at least so many records; and nothing more comes with them."""

    def enough():
        found = objects(s3, bucket, prefix)
        return (found,) if len(records(found.values())) >= count else None

    (found,) = eventually(enough)
    assert len(records(found.values())) == count
    return found


def processors(*kinds):
    """Processors by kind and parameters."""
    return {
        "Enabled": True,
        "Processors": [
            {"Type": kind, "Parameters": [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]}
            for kind, parameters in kinds
        ],
    }


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def aggregated(records):
    """One record that holds others, as the Kinesis Producer Library writes it."""

    def member(number, content):
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    message = member(1, b"key") + b"".join(member(3, b"\x08\x00" + member(3, record)) for record in records)
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def backup(bucket, **more):
    return {"S3BackupMode": "Enabled", "S3BackupConfiguration": destination(bucket, **more)}


def figures(server, name):
    """The metrics of a delivery stream."""
    text = urllib.request.urlopen(f"{server.endpoint}/_catchment/metrics").read().decode()
    found = re.findall(rf'^catchment_delivery_(\w+){{delivery_stream="{name}",account="{ACCOUNT}",region="us-east-1"}} (\d+)$', text, re.M)
    return {figure: int(value) for figure, value in found}


def extraction(query):
    return {
        "Type": "MetadataExtraction",
        "Parameters": [
            {"ParameterName": "MetadataExtractionQuery", "ParameterValue": query},
            {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
        ],
    }


def by_keys(query, prefix, **more):
    return {
        "Prefix": prefix,
        "ErrorOutputPrefix": ERRORS,
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ProcessingConfiguration": {"Enabled": True, "Processors": [extraction(query), *LINES["Processors"]]},
        "BufferingHints": LARGE_SECOND,
        **more,
    }


TYPES = {
    "b": "boolean", "i": "int", "l": "bigint", "d": "double", "s": "string", "m": "decimal(9,2)", "t": "timestamp",
    "day": "date", "list": "array<int>", "pair": "struct<x:int,y:string>",
}


def make_table(glue, bucket, columns, location="table/", partition_keys=(), parameters=None):
    database, table = f"db_{uuid.uuid4().hex[:12]}", "records"
    glue.create_database(DatabaseInput={"Name": database})
    as_columns = lambda named: [{"Name": name, "Type": kind} for name, kind in named]
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": as_columns(partition_keys),
            "Parameters": parameters or {},
            "StorageDescriptor": {
                "Columns": as_columns(columns.items()),
                "Location": f"s3://{bucket}/{location}",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
        },
    )
    return database, table


def conversion(database, table, deserializer=None, serializer=None):
    return {
        "SchemaConfiguration": {"RoleARN": ROLE, "DatabaseName": database, "TableName": table},
        "InputFormatConfiguration": {"Deserializer": deserializer or {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": serializer or {}}},
    }


def rows(contents):
    tables = [pyarrow.parquet.read_table(pyarrow.BufferReader(content)) for content in contents]
    return [row for table in tables for row in table.to_pylist()]
