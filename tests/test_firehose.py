"""Firehose through boto3 against the built binary: records in, objects out, each record once."""

import base64
import collections
import datetime
import decimal
import gzip
import hashlib
import io
import itertools
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import threading
import time
import urllib.request
import uuid
import zipfile

import botocore.config
import deltalake
import duckdb
import pyarrow
import pyarrow.csv
import pyarrow.orc
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError, ConnectionError as NoConnection, HTTPClientError
from conftest import BINARY, eventually
from test_commands import command
from test_server import run

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
# The client then sends what it would refuse itself.
UNCHECKED = botocore.config.Config(parameter_validation=False)
numbers = itertools.count()


# Making a client takes a while, and all tests may share one.
@pytest.fixture(scope="module")
def firehose(shared_server):
    return shared_server.client("firehose")


@pytest.fixture(scope="module")
def unchecked(shared_server):
    return shared_server.client("firehose", config=UNCHECKED)


@pytest.fixture(scope="module")
def glue(shared_server):
    return shared_server.client("glue")


@pytest.fixture(scope="module")
def s3(shared_server):
    return path_style(shared_server)


@pytest.fixture
def bucket(s3):
    return make_bucket(s3)


def make_bucket(s3):
    name = f"lake-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


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


class refused:
    """Expects the service's own error."""

    def __init__(self, code, message=""):
        self.code, self.message = code, message

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, ClientError), f"{self.code} {self.message} expected, but it was {error!r}"
        answer = error.response["Error"]
        assert answer["Code"] == self.code, answer
        assert self.message in answer["Message"], answer
        return True


# Records within records


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


def test_records_of_the_producer_library_are_taken_apart(firehose, client, s3, bucket):
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="kpl", ShardCount=1)
    name = new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/kpl", "RoleARN": ROLE
        },
        ExtendedS3DestinationConfiguration=destination(bucket, ProcessingConfiguration=LINES),
    )
    expect = [f"part {n}".encode() for n in range(300)]
    sent = [aggregated(expect[:200]), b"plain", aggregated(expect[200:]), aggregated([b"x"])[:-1] + b"?"]
    kinesis.put_records(StreamName="kpl", Records=[{"PartitionKey": "k", "Data": record} for record in sent])
    expect = sorted(lines([*expect, b"plain", sent[3]]))
    eventually(lambda: sorted(lines(objects(s3, bucket).values())) == expect)


@pytest.mark.parametrize(
    "split, record",
    [
        ({"SubRecordType": "JSON"}, b'{"c":"a","n":1}{"c":"b","n":2}\n{"c":"a","n":3}'),
        ({"SubRecordType": "DELIMITED", "Delimiter": base64.b64encode(b"####").decode()}, b'{"c":"a","n":1}####{"c":"b","n":2}####{"c":"a","n":3}####'),
    ],
)
def test_records_are_taken_apart_before_they_are_partitioned(firehose, s3, bucket, split, record):
    settings = by_keys("{c: .c}", "good/!{partitionKeyFromQuery:c}/")
    settings["ProcessingConfiguration"]["Processors"] += processors(("RecordDeAggregation", split))["Processors"]
    name = make(firehose, bucket, **settings)
    put(firehose, name, [record, b'[{"c":"a"}]'])
    delivered(s3, bucket, 4)
    by_key = {key: lines(objects(s3, bucket, f"good/{key}/").values()) for key in "ab"}
    assert by_key == {"a": [b'{"c":"a","n":1}', b'{"c":"a","n":3}'], "b": [b'{"c":"b","n":2}']}, "a record's pieces of one place stay together"
    (error,) = lines(objects(s3, bucket, "errors/metadata-extraction-failed/").values())
    assert base64.b64decode(json.loads(error)["rawData"]) == b'[{"c":"a"}]'


def log_document(messages, kind="DATA_MESSAGE"):
    events = [{"id": str(n), "timestamp": 1_700_000_000_000 + n, "message": message} for n, message in enumerate(messages)]
    return json.dumps({"messageType": kind, "owner": ACCOUNT, "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events}).encode()


def test_log_documents_are_unpacked(firehose, s3, bucket):
    documents = [log_document(["one", "two"]), log_document(["CWL CONTROL MESSAGE"], "CONTROL_MESSAGE"), log_document(["three"])]
    records = [gzip.compress(document) for document in documents]
    extracting = processors(
        ("Decompression", {"CompressionFormat": "GZIP"}),
        ("CloudWatchLogProcessing", {"DataMessageExtraction": "true"}),
        ("AppendDelimiterToRecord", {}),
    )
    whole = processors(("Decompression", {}), ("AppendDelimiterToRecord", {"Delimiter": "\\n"}))
    for prefix, processing in [("messages/", extracting), ("documents/", whole)]:
        errors = f"errors/{prefix}!{{firehose:error-output-type}}/"
        name = make(firehose, bucket, Prefix=prefix, ErrorOutputPrefix=errors, ProcessingConfiguration=processing)
        put(firehose, name, [records[0], b"no gzip", *records[1:]])
    assert sorted(lines(delivered(s3, bucket, 3, "messages/").values())) == [b"one", b"three", b"two"]
    assert sorted(lines(delivered(s3, bucket, 3, "documents/").values())) == sorted(documents)
    for prefix in ("messages", "documents"):
        (error,) = lines(delivered(s3, bucket, 1, f"errors/{prefix}/decompression-failed/").values())
        error = json.loads(error)
        assert base64.b64decode(error["rawData"]) == b"no gzip" and "not gzip" in error["errorMessage"]


# Source records, kept besides


def backup(bucket, **more):
    return {"S3BackupMode": "Enabled", "S3BackupConfiguration": destination(bucket, **more)}


def test_source_records_are_backed_up_as_they_came(firehose, s3, glue, bucket):
    database, table = make_table(glue, bucket, {"n": "int"})
    good, bad = [json.dumps({"n": n}).encode() + b"\n" for n in range(50)], [b"nonsense\n"]
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix="errors/", BufferingHints=LARGE_SECOND,
        DataFormatConversionConfiguration=conversion(database, table),
        **backup(bucket, Prefix="source/", CompressionFormat="GZIP"),
    )
    put(firehose, name, [*good, *bad])
    kept = delivered(s3, bucket, 51, "source/", lambda contents: lines(gzip.decompress(content) for content in contents))
    assert all(key.endswith(".gz") for key in kept)
    assert sorted(lines(gzip.decompress(content) for content in kept.values())) == sorted(record.strip() for record in [*good, *bad])
    eventually(lambda: len(rows(objects(s3, bucket, "table/").values())) == 50)
    eventually(lambda: len(lines(objects(s3, bucket, "errors/").values())) == 1)
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    described = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert described["S3BackupMode"] == "Enabled"
    assert described["S3BackupDescription"] == {
        "RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "Prefix": "source/", "BufferingHints": NOW,
        "CompressionFormat": "GZIP", "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": False},
    }


def test_a_backup_can_be_added_and_not_be_given_up(firehose, s3, bucket):
    name = make(firehose, bucket, Prefix="raw/", ProcessingConfiguration=LINES)
    put(firehose, name, [b"before"])
    delivered(s3, bucket, 1, "raw/")
    added = backup(bucket, Prefix="source/")
    added["S3BackupUpdate"] = added.pop("S3BackupConfiguration")

    def update(version, **more):
        firehose.update_destination(
            DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version,
            DestinationId="destinationId-000000000001", ExtendedS3DestinationUpdate=more,
        )

    update("1", **added)
    put(firehose, name, [b"after"])
    eventually(lambda: list(objects(s3, bucket, "source/").values()) == [b"after"])
    delivered(s3, bucket, 2, "raw/")
    update("2", S3BackupUpdate={"Prefix": "moved/"})
    put(firehose, name, [b"at last"])
    eventually(lambda: list(objects(s3, bucket, "moved/").values()) == [b"at last"])
    with refused("InvalidArgumentException", "S3BackupMode can not be disabled once it is enabled."):
        update("3", S3BackupMode="Disabled")


def test_records_wait_until_they_are_backed_up_too(server):
    """What one of the two places cannot take is there for it after a restart."""
    firehose, s3 = server.client("firehose"), path_style(server)
    s3.create_bucket(Bucket="lake")
    name = make(firehose, "lake", Prefix="raw/", **backup("vault"))
    records = [f"{n}".encode() for n in range(1000)]
    put(firehose, name, [record + b"\n" for record in records])
    delivered(s3, "lake", 1000, "raw/")
    server.kill()
    server.start()
    s3.create_bucket(Bucket="vault")
    eventually(lambda: sorted(lines(objects(s3, "vault").values())) == sorted(records))
    assert sorted(lines(objects(s3, "lake", "raw/").values())) == sorted(records)


# Encryption of direct puts


def test_direct_puts_are_encrypted_until_they_are_delivered(server):
    firehose, s3 = server.client("firehose"), path_style(server)
    name = make(firehose, "later", ProcessingConfiguration=LINES)

    def on_disk(text):
        files = [file for file in (server.data_dir / "log").iterdir() if file.is_file()]
        return any(text in file.read_bytes() for file in files)

    def described():
        description = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        return description["DeliveryStreamEncryptionConfiguration"]

    def put_one(data):
        one = firehose.put_record(DeliveryStreamName=name, Record={"Data": data})["Encrypted"]
        batch = firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": data}])["Encrypted"]
        assert one == batch
        return one

    assert described() == {"Status": "DISABLED"}
    assert put_one(b"readable by all") is False and on_disk(b"readable by all")
    firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    assert described() == {"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"}
    assert put_one(b"a secret of ours") is True and not on_disk(b"a secret of ours")
    own = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": KEY}
    firehose.start_delivery_stream_encryption(DeliveryStreamName=name, DeliveryStreamEncryptionConfigurationInput=own)
    assert described() == {**own, "Status": "ENABLED"}
    assert put_one(b"a secret of yours") is True and not on_disk(b"a secret of yours")
    server.kill()
    server.start()
    assert described() == {**own, "Status": "ENABLED"}
    assert put_one(b"a secret to come") is True and not on_disk(b"a secret to come")
    firehose.stop_delivery_stream_encryption(DeliveryStreamName=name)
    assert described() == {"Status": "DISABLED"}
    assert put_one(b"readable again") is False and on_disk(b"readable again")
    s3.create_bucket(Bucket="later")
    texts = [b"readable by all", b"a secret of ours", b"a secret of yours", b"a secret to come", b"readable again"]
    assert sorted(lines(delivered(s3, "later", 10).values())) == sorted(texts * 2)
    born = new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=born, ExtendedS3DestinationConfiguration=destination("later"),
        DeliveryStreamEncryptionConfigurationInput={"KeyType": "AWS_OWNED_CMK"},
    )
    assert firehose.put_record(DeliveryStreamName=born, Record={"Data": b"x"})["Encrypted"] is True


# Raw objects


def test_records_land_one_behind_the_other_under_the_services_name(firehose, s3, bucket):
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    name = make(firehose, bucket, Prefix="raw/", BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 1})
    first = firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one,"})
    answer = firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"two,"}, {"Data": b""}, {"Data": b"\x00\xff"}])
    ids = [first["RecordId"], *(entry["RecordId"] for entry in answer["RequestResponses"])]
    assert len(set(ids)) == 4 and first["Encrypted"] is False and answer["Encrypted"] is False
    found = eventually(lambda: objects(s3, bucket))
    [(key, content)] = found.items()
    assert content == b"one,two,\x00\xff"
    match = re.fullmatch(r"raw/(?P<hour>\d{4}/\d\d/\d\d/\d\d/)" + NAME, key)
    assert match and (match["name"], match["version"]) == (name, "1")
    arrived = datetime.datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=datetime.timezone.utc)
    assert before <= arrived <= datetime.datetime.now(datetime.timezone.utc)
    assert match["hour"] == arrived.strftime("%Y/%m/%d/%H/")
    assert s3.head_object(Bucket=bucket, Key=key)["ContentType"] == "application/octet-stream"


def test_an_interval_of_zero_delivers_at_once(firehose, s3, bucket):
    name = make(firehose, bucket, ProcessingConfiguration=LINES)
    for n in range(5):
        firehose.put_record(DeliveryStreamName=name, Record={"Data": b"%d" % n})
        found = delivered(s3, bucket, n + 1)
    assert sorted(lines(found.values())) == [b"%d" % n for n in range(5)]


def test_a_full_buffer_does_not_wait_for_its_interval(firehose, s3, bucket):
    name = make(
        firehose, bucket, BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900}, ProcessingConfiguration=LINES
    )
    records = [b"%04d" % n + b"x" * 3996 for n in range(300)]
    put(firehose, name, records)
    found = eventually(lambda: objects(s3, bucket))
    content = b"".join(found.values())
    # The buffer's size is that of the records, without delimiters.
    assert len(content) >= MIB
    got = content.splitlines()
    assert got == records[: len(got)]
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"waits"})
    time.sleep(1)
    assert b"waits" not in b"".join(objects(s3, bucket).values())


def unsnappy(block):
    """A raw snappy block; its length stands before it as a varint."""
    length = shift = 0
    for byte in block:
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return pyarrow.Codec("snappy").decompress(block, length, asbytes=True)


def unxerial(data):
    assert data[:16] == b"\x82SNAPPY\0" + b"\0\0\0\1\0\0\0\1"
    at, out = 16, b""
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        out += unsnappy(data[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def unhadoop(data):
    at, out = 0, b""
    while at < len(data):
        raw, size = (int.from_bytes(data[at + n : at + n + 4], "big") for n in (0, 4))
        block = unsnappy(data[at + 8 : at + 8 + size])
        assert len(block) == raw
        out += block
        at += 8 + size
    return out


def unzip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        [entry] = archive.namelist()
        return archive.read(entry)


@pytest.mark.parametrize(
    "compression, extension, encoding, read",
    [
        ("GZIP", ".gz", "gzip", gzip.decompress),
        ("ZIP", ".zip", "zip", unzip),
        ("Snappy", ".snappy", "snappy-java", unxerial),
        ("HADOOP_SNAPPY", ".snappy", "hadoop-snappy", unhadoop),
    ],
)
def test_objects_are_compressed(firehose, s3, bucket, compression, extension, encoding, read):
    buffering = {"SizeInMBs": 1, "IntervalInSeconds": 1}
    name = make(firehose, bucket, CompressionFormat=compression, BufferingHints=buffering, ProcessingConfiguration=LINES)
    records = [json.dumps({"n": n, "text": "abc" * 10}).encode() for n in range(5000)]
    put(firehose, name, records)
    unpack = lambda contents: lines(map(read, contents))
    found = delivered(s3, bucket, len(records), records=unpack)
    assert all(key.endswith(extension) for key in found)
    assert {s3.head_object(Bucket=bucket, Key=key)["ContentEncoding"] for key in found} == {encoding}
    assert sorted(unpack(found.values())) == sorted(records)
    assert sum(map(len, found.values())) < sum(map(len, records)) / 2


def test_extension_time_zone_and_prefix_expressions(firehose, s3, bucket):
    name = make(
        firehose, bucket, FileExtension=".jsonl", CustomTimeZone="Asia/Kathmandu", ErrorOutputPrefix=ERRORS,
        Prefix="a/!{timestamp:yyyy-MM-dd'T'HH}/!{firehose:random-string}/",
    )
    before = datetime.datetime.now(datetime.timezone.utc)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    [key] = eventually(lambda: objects(s3, bucket))
    match = re.fullmatch(r"a/(?P<hour>[\d-]{10}T\d\d)/[0-9A-Za-z]{11}/" + NAME + r"\.jsonl", key)
    assert match, key
    there = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    hours = {moment.astimezone(there).strftime("%Y-%m-%dT%H") for moment in (before, datetime.datetime.now(datetime.timezone.utc))}
    assert match["hour"] in hours
    assert match["time"].startswith(match["hour"].replace("T", "-"))


def figures(server, name):
    """The metrics of a delivery stream."""
    text = urllib.request.urlopen(f"{server.endpoint}/_catchment/metrics").read().decode()
    found = re.findall(rf'^catchment_delivery_(\w+){{delivery_stream="{name}",account="{ACCOUNT}",region="us-east-1"}} (\d+)$', text, re.M)
    return {figure: int(value) for figure, value in found}


def test_records_wait_for_their_bucket_and_are_counted_meanwhile(firehose, s3, shared_server):
    bucket = f"late-{uuid.uuid4().hex}"
    name = make(firehose, bucket, ProcessingConfiguration=LINES)
    waiting = lambda: (now := figures(shared_server, name))["failing"] and now["lag_records"] + now["buffered_records"]
    put(firehose, name, [b"a", b"b"])
    eventually(lambda: waiting() == 2)
    put(firehose, name, [b"c", b"d", b"e"])
    eventually(lambda: waiting() == 5)
    s3.create_bucket(Bucket=bucket)
    assert sorted(lines(delivered(s3, bucket, 5).values())) == [b"a", b"b", b"c", b"d", b"e"]
    eventually(lambda: (now := figures(shared_server, name))["records_total"] == 5 and now["lag_records"] + now["buffered_records"] == 0)


# Dynamic partitioning


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


def test_records_are_partitioned_by_jq(firehose, s3, bucket):
    prefix = "flights/y=!{timestamp:yyyy}/carrier=!{partitionKeyFromQuery:carrier}/day=!{partitionKeyFromQuery:day}/"
    query = '{carrier: .carrier, day: (.time[:10] | gsub("-"; ""))}'
    name = make(firehose, bucket, **by_keys(query, prefix))
    records = [
        {"carrier": carrier, "time": f"2013-01-0{day}T05:00", "n": n}
        for n, (carrier, day) in enumerate(itertools.product(["UA", "AA", "B6", "9E"], [1, 2, 3] * 20))
    ]
    put(firehose, name, [json.dumps(record).encode() for record in records])
    found = delivered(s3, bucket, len(records))
    year = datetime.datetime.now(datetime.timezone.utc).year
    got = []
    for key, content in found.items():
        match = re.fullmatch(r"flights/y=(\d{4})/carrier=(\w+)/day=(\d+)/" + NAME, key)
        assert match and abs(int(match[1]) - year) <= 1, key
        here = [json.loads(line) for line in content.splitlines()]
        assert {(record["carrier"], record["time"][:10].replace("-", "")) for record in here} == {(match[2], match[3])}
        assert [record["n"] for record in here] == sorted(record["n"] for record in here)
        got += here
    assert sorted(got, key=lambda record: record["n"]) == records


def test_records_without_partition_keys_are_documented(firehose, s3, bucket):
    started = time.time() * 1000
    name = make(firehose, bucket, **by_keys("{c: .c}", "good/!{partitionKeyFromQuery:c}/"))
    bad = [b"not json", b'{"d": 1}', b'{"c": null}', b'{"c": {"x": 1}}', b'{"c": ""}', b"", b'{"c": "a"}{"c": "b"}']
    # What no parser bears, and places that no object can have.
    bad += [b"[" * 1_000_000, json.dumps({"c": "x" * 1100}).encode(), json.dumps({"c": "\U0001f6e9" * 250}).encode()]
    good = [b'{"c": "a"}', b'{"c": 7}', b'{"c": true}']
    put(firehose, name, [record for pair in itertools.zip_longest(bad, good) for record in pair if record is not None])
    found = delivered(s3, bucket, len(good), "good/")
    assert {key.split("/")[1]: content.strip() for key, content in found.items()} == {"a": good[0], "7": good[1], "true": good[2]}
    failed = delivered(s3, bucket, len(bad), "errors/metadata-extraction-failed/")
    assert all(re.fullmatch("errors/metadata-extraction-failed/" + NAME, key) for key in failed)
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad)
    for document in documents:
        assert document["attemptsMade"] >= 1 and document["errorMessage"]
        assert document["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
        assert started - 1 <= document["arrivalTimestamp"] <= document["attemptEndingTimestamp"] <= time.time() * 1000 + 1


def test_queries_may_use_the_whole_of_jq(firehose, s3, bucket):
    query = """def upto($n): [limit($n; .[])];
        .readings as $all
        | (reduce $all[] as {v: $v} (0; . + $v)) as $sum
        | {sum: $sum, first: ($all | upto(2) | map(.v) | join("-")), factor: (.factor // 1.0), day: (.at | strftime("%Y-%m-%d"))}"""
    prefix = "/".join(f"{key}=!{{partitionKeyFromQuery:{key}}}" for key in ["sum", "first", "factor", "day"]) + "/"
    name = make(firehose, bucket, **by_keys(query, prefix))
    put(firehose, name, [
        b'{"readings": [{"v": 1}, {"v": 2.5}, {"v": 0.5}], "at": 1357016400}',
        b'{"readings": [{"v": 1e3}, {"v": 1.0}], "factor": 1e3, "at": 1357102800.75}',
        b'{"readings": [{"v": 1e17}, {"v": -1e17}], "factor": 1e-5, "at": 0}',
        b'{"readings": [], "factor": 12345678901234567890, "at": -1}',
    ])
    found = {key.rsplit("/", 1)[0] for key in delivered(s3, bucket, 3, "sum=")}
    assert found == {
        "sum=4/first=1-2.5/factor=1/day=2013-01-01",
        "sum=1001/first=1000-1/factor=1000/day=2013-01-02",
        "sum=0/first=1e+17--1e+17/factor=1e-05/day=1970-01-01",
    }
    # The join of nothing is an empty text.
    (failed,) = lines(delivered(s3, bucket, 1, "errors/").values())
    assert json.loads(failed)["errorMessage"].endswith('the partition key "first" is empty')


def test_records_on_which_a_query_runs_away_are_documented(firehose, s3, bucket):
    query = """def again: again;
        {c: (if .run == "for ever" then again
             elif .run == "memory" then reduce range(1e9) as $i ("x"; . + .)
             elif .run == "depth" then reduce range(1e9) as $i (0; [.])
             elif .run == "pattern" then "a" * 5000 | test("(a+)+$b")
             else .c end)}"""
    name = make(firehose, bucket, **by_keys(query, "good/!{partitionKeyFromQuery:c}/"))
    good = [b'{"c": "%d"}' % n for n in range(5)]
    bad = [json.dumps({"run": run}).encode() for run in ["for ever", "memory", "depth", "pattern"]]
    put(firehose, name, [record for pair in itertools.zip_longest(good, bad) for record in pair if record is not None])
    assert sorted(lines(delivered(s3, bucket, len(good), "good/").values())) == good
    failed = delivered(s3, bucket, len(bad), "errors/metadata-extraction-failed/")
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad)
    assert all("the query was ended: it " in document["errorMessage"] for document in documents), documents


# Conversion

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


def flights(count):
    """The first flights of the year, as a producer sends them and as they must be read back."""
    with pyarrow.input_stream(str(FLIGHTS), compression="zstd") as stream:
        table = pyarrow.csv.read_csv(stream).slice(0, count)
    sent = table.to_pylist()
    for row in sent:
        row["time_hour"] = row["time_hour"].strftime("%Y-%m-%d %H:%M:%S")
    return table, sent


def test_flights_become_parquet_and_read_back_equal(firehose, s3, glue, bucket, tmp_path):
    table, sent = flights(20_000)
    kinds = {pyarrow.int64(): "bigint", pyarrow.string(): "string"}
    columns = {field.name: kinds.get(field.type, "timestamp") for field in table.schema}
    where = make_table(glue, bucket, columns)
    name = make(firehose, bucket, Prefix="table/", BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where))
    put(firehose, name, [json.dumps(row).encode() for row in sent])
    found = delivered(s3, bucket, len(sent), records=rows)
    assert all(re.fullmatch(r"table/\d{4}/\d\d/\d\d/\d\d/" + NAME + r"\.parquet", key) for key in found)
    expect = table.set_column(
        table.schema.get_field_index("time_hour"),
        "time_hour",
        table["time_hour"].cast(pyarrow.timestamp("s")).cast(pyarrow.timestamp("us")),
    )
    order = [(column, "ascending") for column in ("time_hour", "carrier", "flight", "origin", "sched_dep_time")]
    files = []
    for n, content in enumerate(found.values()):
        files.append(str(tmp_path / f"{n}.parquet"))
        pathlib.Path(files[-1]).write_bytes(content)
        assert pyarrow.parquet.ParquetFile(files[-1]).metadata.row_group(0).column(0).compression == "SNAPPY"
    # PyArrow may hold the strings in another of its ways; the values are what counts.
    got = pyarrow.concat_tables([pyarrow.parquet.read_table(file).cast(expect.schema) for file in files])
    assert got.sort_by(order).to_pylist() == expect.sort_by(order).to_pylist()
    # DuckDB reads with code of its own; what differs either way is nothing.
    duck = duckdb.connect()
    duck.register("expect", expect)
    duck.execute(f"CREATE VIEW got AS SELECT {', '.join(columns)} FROM read_parquet({files})")
    assert duck.execute("SELECT count(*) FROM got").fetchone() == (len(sent),)
    for left, right in (("got", "expect"), ("expect", "got")):
        assert duck.execute(f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})").fetchone() == (0,)


def test_every_type_is_converted(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, TYPES)
    name = make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(*where))
    sent = [
        {
            "b": True, "i": -5, "l": 2**60, "d": 1.5, "s": "snow ❄ \" \\", "m": 12.34, "t": "2013-01-01 05:15:00",
            "day": "2013-01-01", "list": [1, None, 3], "pair": {"x": 1, "y": "z"}, "unknown": {"is": ["left", "out"]},
        },
        {},
        {"S": "keys match whatever their case", "PAIR": {"X": 2}},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    found = rows(delivered(s3, bucket, 3, records=rows).values())
    nothing = dict.fromkeys(TYPES)
    first = {
        **sent[0], "m": decimal.Decimal("12.34"), "t": datetime.datetime(2013, 1, 1, 5, 15), "day": datetime.date(2013, 1, 1)
    }
    del first["unknown"]
    expect = [first, nothing, {**nothing, "s": sent[2]["S"], "pair": {"x": 2, "y": None}}]
    for row in found:
        row["t"] = row["t"] and row["t"].replace(tzinfo=None)
    by = lambda row: str(row["s"])
    assert sorted(found, key=by) == sorted(expect, key=by)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"Compression": "ZLIB", "RowIndexStride": 1000, "StripeSizeBytes": 8 * MIB, "BloomFilterColumns": ["s"], "EnablePadding": True},
        {"Compression": "NONE", "FormatVersion": "V0_11", "DictionaryKeyThreshold": 1.0},
    ],
)
def test_orc_files_read_back_equal(firehose, s3, glue, bucket, options):
    """Flights, with what they have not: nested columns, dates before 1970, and NULL of every type."""
    where = make_table(glue, bucket, TYPES)
    format = conversion(*where)
    format["OutputFormatConfiguration"] = {"Serializer": {"OrcSerDe": options}}
    name = make(firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=format)
    sent = [
        {
            "b": flight["dep_delay"] is not None, "i": flight["flight"], "l": -(2**62) + n, "d": flight["distance"] / 7,
            "s": flight["tailnum"], "m": float(n % 1000) + 0.25, "t": f"1969-07-{n % 28 + 1:02} 05:15:00.123456",
            "day": f"1{n % 900 + 100}-02-03", "list": [n, None] * (n % 4), "pair": {"x": n, "y": "é" * (n % 3)} if n % 5 else None,
        }
        for n, flight in enumerate(flights(3000)[1])
    ] + [{}]
    put(firehose, name, [json.dumps(record).encode() for record in sent] + [b'{"i": "no number"}'])

    def orc_rows(contents):
        return [row for content in contents for row in pyarrow.orc.ORCFile(io.BytesIO(content)).read().to_pylist()]

    found = delivered(s3, bucket, len(sent), "table/", orc_rows)
    assert all(key.endswith(".orc") for key in found)
    expect = []
    for record in sent:
        row = {**dict.fromkeys(TYPES), **record}
        if record:
            row["m"] = decimal.Decimal(str(record["m"])).quantize(decimal.Decimal("0.01"))
            row["t"] = datetime.datetime.fromisoformat(record["t"])
            row["day"] = datetime.date.fromisoformat(record["day"])
        expect.append(row)
    got = orc_rows(found.values())
    for row in got:
        row["t"] = row["t"] and row["t"].replace(tzinfo=None)
    by = lambda row: (row["l"] is not None, row["l"])
    assert sorted(got, key=by) == sorted(expect, key=by)
    (failure,) = lines(objects(s3, bucket, "errors/format-conversion-failed/").values())
    assert "column i (int)" in json.loads(failure)["lastErrorMessage"]
    codec = pyarrow.orc.ORCFile(io.BytesIO(next(iter(found.values())))).compression
    assert codec == {"NONE": "UNCOMPRESSED"}.get(options.get("Compression", "SNAPPY"), options.get("Compression", "SNAPPY"))


def test_serializer_and_deserializer_options_are_followed(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"a_b": "int", "ts": "string", "n": "int"})
    deserializer = {
        "OpenXJsonSerDe": {
            "ConvertDotsInJsonKeysToUnderscores": True, "CaseInsensitive": False, "ColumnToJsonKeyMappings": {"ts": "timestamp"},
        }
    }
    serializer = {"Compression": "GZIP", "EnableDictionaryCompression": False, "WriterVersion": "V2"}
    name = make(
        firehose, bucket, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where, deserializer, serializer),
    )
    put(firehose, name, [b'{"a.b": 1, "timestamp": "now", "N": 3}'])
    found = delivered(s3, bucket, 1, records=rows)
    assert rows(found.values()) == [{"a_b": 1, "ts": "now", "n": None}]
    column = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(*found.values())).metadata.row_group(0).column(0)
    assert (column.compression, column.has_dictionary_page) == ("GZIP", False)


def test_records_are_converted_by_the_version_of_the_table_that_is_asked_for(firehose, s3, glue, bucket):
    database, table = make_table(glue, bucket, {"n": "int"})
    there = glue.get_table(DatabaseName=database, Name=table)["Table"]
    first = there["VersionId"]
    wider = {**there["StorageDescriptor"], "Columns": [{"Name": "n", "Type": "string"}, {"Name": "m", "Type": "int"}]}
    glue.update_table(DatabaseName=database, TableInput={"Name": table, "StorageDescriptor": wider})
    made = {}
    format = conversion(database, table)
    for version, prefix in [(first, "first/"), ("LATEST", "latest/")]:
        format["SchemaConfiguration"]["VersionId"] = version
        made[version] = make(
            firehose, bucket, Prefix=prefix, ErrorOutputPrefix=ERRORS, BufferingHints=LARGE, DataFormatConversionConfiguration=format
        )
        put(firehose, made[version], [b'{"n": 1, "m": 2}'])
    assert rows(delivered(s3, bucket, 1, "first/", rows).values()) == [{"n": 1}]
    assert rows(delivered(s3, bucket, 1, "latest/", rows).values()) == [{"n": "1", "m": 2}]
    assert objects(s3, bucket, "errors/") == {}

    def update(version, schema):
        firehose.update_destination(
            DeliveryStreamName=made[first], CurrentDeliveryStreamVersionId=version, DestinationId=DESTINATION,
            ExtendedS3DestinationUpdate={"DataFormatConversionConfiguration": {"SchemaConfiguration": schema}},
        )

    for schema, why in [
        ({"VersionId": "77"}, "Table version 77 not found. (Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException"),
        ({"VersionId": "newest"}, "VersionId newest is neither LATEST nor a number"),
        ({"TableName": "nobodys"}, "Table nobodys not found. (Service: AWSGlue"),
        ({"DatabaseName": "nobodys"}, "Database nobodys not found. (Service: AWSGlue"),
    ]:
        with refused("InvalidArgumentException", why):
            wrong = {**format, "SchemaConfiguration": {**format["SchemaConfiguration"], **schema}}
            make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=wrong)
        with refused("InvalidArgumentException", why):
            update("1", schema)
    update("1", {"VersionId": "LATEST"})
    put(firehose, made[first], [b'{"n": 3, "m": 4}'])
    assert rows(delivered(s3, bucket, 2, "first/", rows).values()) == [{"n": 1}, {"n": "3", "m": 4}]


def test_a_conversion_waits_for_a_table_that_went(firehose, s3, glue, bucket, shared_server):
    database, table = make_table(glue, bucket, {"n": "int"})
    there = glue.get_table(DatabaseName=database, Name=table)["Table"]
    name = make(
        firehose, bucket, Prefix="table/", BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(database, table)
    )
    glue.delete_table(DatabaseName=database, Name=table)
    put(firehose, name, [b'{"n": 1}'])
    shown = lambda: json.loads(command(shared_server, "deliveries", "--json").stdout)
    eventually(lambda: f"no table {database}.{table}" in str([each["last_error"] for each in shown() if each["name"] == name]))
    glue.create_table(
        DatabaseName=database, TableInput={key: there[key] for key in ("Name", "StorageDescriptor", "PartitionKeys")}
    )
    assert rows(delivered(s3, bucket, 1, "table/", rows).values()) == [{"n": 1}]


def test_a_record_may_hold_several_documents(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"})
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where),
    )
    bad = [b'[{"n": 7}, {"n": 8}]', b'{"n": 9}{"n": "x"}', b'{"n": 10}, {"n": 11}']
    put(firehose, name, [b'{"n": 1}{"n": 2}', bad[0], b'{"n": 3}\n{"n": 4}\n', bad[1], b' {"n":\n5}', bad[2]])
    failed = delivered(s3, bucket, len(bad), "errors/format-conversion-failed/")
    good = delivered(s3, bucket, 5, "table/", rows)
    assert sorted(row["n"] for row in rows(good.values())) == [1, 2, 3, 4, 5]
    documents = [json.loads(line) for line in lines(failed.values())]
    assert {base64.b64decode(document["rawData"]): document["lastErrorMessage"] for document in documents} == {
        bad[0]: "Data does not match the schema. expected a JSON object, found an array",
        bad[1]: 'Data does not match the schema. column n (int): expected an integer, found a string "x"',
        bad[2]: "Encountered malformed JSON. expected a value at byte 9",
    }


def test_the_hive_deserializer_reads_timestamps_by_their_formats(firehose, unchecked, s3, glue, bucket):
    where = make_table(glue, bucket, {"at": "timestamp", "day": "date", "n": "int", "m": "map<string,int>"})
    formats = ["dd/MMM/yyyy:HH:mm:ss Z", "millis"]
    convert = lambda *formats: conversion(*where, {"HiveJsonSerDe": {"TimestampFormats": list(formats)}})
    with pytest.raises(ClientError, match="Invalid deserializer option.*the letter T stands for nothing"):
        make(unchecked, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=convert("yyyy-MM-ddTHH:mm"))
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=convert(*formats),
    )
    sent = [
        {"at": "31/Jan/2013:05:06:07 +0100", "day": "31/Jan/2013:00:00:00 +0000", "N": 1, "m": {"Key": 1}},
        {"at": 1359605167123, "day": "2013-1-31", "n": 2},
        {"at": "2013-01-31 04:06:07.25", "n": 3},
        {"at": "2013-01-31T04:06:07Z"},
        {"n": "4"},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    failed = delivered(s3, bucket, 2, "errors/format-conversion-failed/")
    found = rows(delivered(s3, bucket, 3, "table/", rows).values())
    times = {row["n"]: (row["at"].replace(tzinfo=None), row["day"]) for row in found}
    day, at = datetime.date(2013, 1, 31), datetime.datetime(2013, 1, 31, 4, 6, 7)
    assert times == {1: (at, day), 2: (at.replace(microsecond=123000), day), 3: (at.replace(microsecond=250000), None)}
    assert [row["m"] for row in found if row["m"]] == [[("Key", 1)]]
    messages = {json.loads(line)["lastErrorMessage"].removeprefix("Data does not match the schema. ") for line in lines(failed.values())}
    assert messages == {
        "column at (timestamp): expected a time in the format dd/MMM/yyyy:HH:mm:ss Z or millis, found a string \"2013-01-31T04:06:07Z\"",
        'column n (int): expected an integer, found a string "4"',
    }


def test_what_does_not_quite_fit_is_made_to_by_the_open_x_deserializer(firehose, s3, glue, bucket):
    columns = {
        "id": "string", "tags": "array<string>", "person": "struct<name:string,age:int>", "attrs": "map<string,string>", "at": "timestamp",
    }
    where = make_table(glue, bucket, columns)
    name = make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(*where))
    sent = [
        {"id": {"Outer": [1.50, "x"]}, "tags": "solo", "person": ["Zoe", "9", "more"], "attrs": {"Key": 1}, "at": 1359605167.5},
        {"id": 7, "tags": [1, True, None], "PERSON": {"NAME": "Bob"}, "at": "1359605167500"},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    found = rows(delivered(s3, bucket, 2, records=rows).values())
    at = datetime.datetime(2013, 1, 31, 4, 6, 7, 500000)
    assert {row["at"].replace(tzinfo=None) for row in found} == {at}
    assert sorted(({key: value for key, value in row.items() if key != "at"} for row in found), key=str) == sorted(
        [
            {"id": '{"outer":[1.5,"x"]}', "tags": ["solo"], "person": {"name": "Zoe", "age": 9}, "attrs": [("key", "1")]},
            {"id": "7", "tags": ["1", "true", None], "person": {"name": "Bob", "age": None}, "attrs": None},
        ],
        key=str,
    )


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("compression", ["UNCOMPRESSED", "GZIP", "SNAPPY"])
def test_every_option_of_the_parquet_serializer_is_readable(firehose, s3, glue, bucket, tmp_path, version, compression):
    columns = {
        "n": "bigint", "kind": "string", "id": "string", "x": "double", "m": "decimal(12,3)", "flag": "boolean",
        "list": "array<struct<a:int,b:string>>", "map": "map<string,array<int>>",
    }
    where = make_table(glue, bucket, columns)
    serializer = {
        "Compression": compression, "WriterVersion": version, "BlockSizeBytes": 64 * MIB, "PageSizeBytes": 64 * 1024,
        "MaxPaddingBytes": 8 * MIB, "EnableDictionaryCompression": True,
    }
    name = make(firehose, bucket, BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where, None, serializer))
    dice = random.Random(1)
    sent = [
        {
            "n": n, "kind": dice.choice(["a", "bb", "ccc", None]), "id": uuid.UUID(int=dice.getrandbits(128)).hex, "x": dice.random(),
            "m": f"{dice.randrange(10**9)}.{dice.randrange(1000):03}", "flag": dice.choice([True, False]),
            "list": [{"a": dice.randrange(9), "b": None} for _ in range(dice.randrange(3))] if n % 7 else None,
            "map": {f"k{key}": [key] * key for key in range(dice.randrange(3))},
        }
        for n in range(6000)
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    contents = delivered(s3, bucket, len(sent), records=rows).values()
    found = sorted(rows(contents), key=lambda row: row["n"])
    expect = [{**row, "m": decimal.Decimal(row["m"]), "map": list(row["map"].items())} for row in sent]
    assert found == expect
    files = []
    for number, content in enumerate(contents):
        files.append(str(tmp_path / f"{number}.parquet"))
        pathlib.Path(files[-1]).write_bytes(content)
        group = pyarrow.parquet.ParquetFile(files[-1]).metadata.row_group(0)
        by_name = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {column.compression for column in by_name.values()} == {compression}
        # Dictionaries are for values that repeat.
        assert by_name["kind"].has_dictionary_page and not by_name["id"].has_dictionary_page
    duck = duckdb.connect()
    query = f"SELECT n, kind, id, x, m, flag, len(list), map_keys(map) FROM read_parquet({files}) ORDER BY n"
    assert duck.execute(query).fetchall() == [
        (
            row["n"], row["kind"], row["id"], row["x"], row["m"], row["flag"],
            None if row["list"] is None else len(row["list"]), [key for key, _ in row["map"]],
        )
        for row in expect
    ]


POISON = [b"{", b"", b"plain text", b"[1]", b'{"n": "x"}', b'{"n": {}}', b"\xff\xfe", b"7"]


@pytest.mark.parametrize("places", [*([n] for n in range(10)), [0, 4, 9], range(10)], ids=[*map(str, range(10)), "three", "all"])
def test_poisoned_records_are_documented_and_the_others_delivered(firehose, s3, glue, bucket, places):
    started = time.time() * 1000
    where = make_table(glue, bucket, {"n": "int"})
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where),
    )
    records = [b'{"n": %d}' % n for n in range(10)]
    bad = {place: POISON[place % len(POISON)] for place in places}
    put(firehose, name, [bad.get(n, record) for n, record in enumerate(records)])
    failed = delivered(s3, bucket, len(bad), "errors/format-conversion-failed/")
    good = delivered(s3, bucket, len(records) - len(bad), "table/", rows)
    assert sorted(row["n"] for row in rows(good.values())) == [n for n in range(10) if n not in bad]
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad.values())
    for document in documents:
        catalog = f"arn:aws:glue:us-east-1:{ACCOUNT}:catalog"
        assert set(document) == {
            "attemptsMade", "arrivalTimestamp", "lastErrorCode", "lastErrorMessage", "attemptEndingTimestamp", "rawData",
            "sequenceNumber", "subSequenceNumber", "dataCatalogTable",
        }
        assert document["attemptsMade"] == 1 and document["lastErrorMessage"]
        assert document["lastErrorCode"] in ("DataFormatConversion.ParseError", "DataFormatConversion.MalformedData")
        assert started - 1 <= document["arrivalTimestamp"] <= document["attemptEndingTimestamp"] <= time.time() * 1000 + 1
        assert document["dataCatalogTable"] == {
            "catalogId": ACCOUNT, "databaseName": where[0], "tableName": where[1], "region": "us-east-1",
            "versionId": "LATEST", "catalogArn": catalog,
        }
    codes = {base64.b64decode(document["rawData"]): document["lastErrorCode"] for document in documents}
    assert codes.get(b"{", "DataFormatConversion.ParseError") == "DataFormatConversion.ParseError"
    assert codes.get(b'{"n": "x"}', "DataFormatConversion.MalformedData") == "DataFormatConversion.MalformedData"


def test_new_partitions_are_registered_where_the_table_asks(firehose, s3, glue, bucket):
    keys = [("carrier", "string"), ("month", "int")]
    where = make_table(glue, bucket, {"n": "int"}, "flights/", keys, {"catchment.register_partitions": "true"})
    prefix = "flights/carrier=!{partitionKeyFromQuery:carrier}/month=!{partitionKeyFromQuery:month}/"
    settings = by_keys("{carrier: .carrier, month: .month}", prefix, DataFormatConversionConfiguration=conversion(*where))
    name = make(firehose, bucket, **settings)
    records = [{"carrier": carrier, "month": month, "n": n} for n in range(3) for carrier in ("UA", "AA") for month in (1, 2)]
    put(firehose, name, [json.dumps(record).encode() for record in records])
    delivered(s3, bucket, len(records), records=rows)

    def partitions():
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=where[0], TableName=where[1])
        return {tuple(p["Values"]): p["StorageDescriptor"] for page in pages for p in page["Partitions"]}

    expect = {(carrier, month) for carrier in ("UA", "AA") for month in ("1", "2")}
    eventually(lambda: set(partitions()) == expect)
    storage = partitions()["UA", "1"]
    assert storage["Location"] == f"s3://{bucket}/flights/carrier=UA/month=1/"
    assert [column["Name"] for column in storage["Columns"]] == ["n"]
    # More records for what is there change nothing, and those of a new month add one.
    put(firehose, name, [b'{"carrier": "UA", "month": 1, "n": 9}', b'{"carrier": "UA", "month": 3, "n": 9}'])
    eventually(lambda: set(partitions()) == expect | {("UA", "3")})


def test_partitions_are_not_registered_unasked(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"}, "t/", [("k", "string")])
    settings = by_keys("{k: .k}", "t/k=!{partitionKeyFromQuery:k}/", DataFormatConversionConfiguration=conversion(*where))
    name = make(firehose, bucket, **{**settings, "BufferingHints": LARGE})
    put(firehose, name, [b'{"k": "a", "n": 1}'])
    delivered(s3, bucket, 1, records=rows)
    put(firehose, name, [b'{"k": "a", "n": 2}'])
    delivered(s3, bucket, 2, records=rows)
    assert glue.get_partitions(DatabaseName=where[0], TableName=where[1])["Partitions"] == []


# Sources


def test_a_kinesis_stream_is_delivered_from_now_on(firehose, client, s3, bucket):
    kinesis, stream = client("kinesis"), new_name()
    kinesis.create_stream(StreamName=stream, ShardCount=3)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"before")
    name = new_name()
    source = {"KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}", "RoleARN": ROLE}
    firehose.create_delivery_stream(
        DeliveryStreamName=name, DeliveryStreamType="KinesisStreamAsSource", KinesisStreamSourceConfiguration=source,
        ExtendedS3DestinationConfiguration=destination(bucket, ProcessingConfiguration=LINES),
    )
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    began = described["Source"]["KinesisStreamSourceDescription"].pop("DeliveryStartTimestamp")
    assert described["Source"] == {"KinesisStreamSourceDescription": source} and began == described["CreateTimestamp"]
    assert described["DeliveryStreamType"] == "KinesisStreamAsSource"
    records = [b"record %d" % n for n in range(1000)]
    for start in range(0, 1000, 500):
        batch = [{"Data": record, "PartitionKey": str(n)} for n, record in enumerate(records[start : start + 500])]
        assert kinesis.put_records(StreamName=stream, Records=batch)["FailedRecordCount"] == 0
    assert sorted(lines(delivered(s3, bucket, 1000).values())) == sorted(records)
    for call in (
        lambda: firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"}),
        lambda: firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"x"}]),
    ):
        with refused("InvalidArgumentException", "This operation is not permitted on KinesisStreamAsSource delivery stream type."):
            call()
    assert name in firehose.list_delivery_streams(Limit=10000, DeliveryStreamType="KinesisStreamAsSource")["DeliveryStreamNames"]
    assert name not in firehose.list_delivery_streams(Limit=10000, DeliveryStreamType="DirectPut")["DeliveryStreamNames"]


def test_a_kinesis_stream_is_delivered_through_splits_and_merges(firehose, client, s3, bucket):
    kinesis, stream = client("kinesis"), new_name()
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    source = {"KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}", "RoleARN": ROLE}
    firehose.create_delivery_stream(
        DeliveryStreamName=new_name(), DeliveryStreamType="KinesisStreamAsSource", KinesisStreamSourceConfiguration=source,
        ExtendedS3DestinationConfiguration=destination(bucket, ProcessingConfiguration=LINES),
    )
    records = []
    for shards in (4, 3, 6, 3, 2):
        batch = [b"record %d" % n for n in range(len(records), len(records) + 200)]
        sent = [{"Data": record, "PartitionKey": record.decode()} for record in batch]
        assert kinesis.put_records(StreamName=stream, Records=sent)["FailedRecordCount"] == 0
        records += batch
        kinesis.update_shard_count(StreamName=stream, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
    assert sorted(lines(delivered(s3, bucket, len(records)).values())) == sorted(records)


# Crashes and restarts


def putting(firehose, name, acknowledged, stop, sender):
    """Puts numbered records until told to stop; notes what was acknowledged and what was sent without an answer."""
    sent = acknowledged["unknown"]
    for n in itertools.count():
        if stop.is_set():
            return
        batch = [json.dumps({"id": f"{sender}-{n}-{i}", "key": i % 3}).encode() for i in range(random.randint(1, 60))]
        try:
            if len(batch) == 1:
                firehose.put_record(DeliveryStreamName=name, Record={"Data": batch[0]})
            else:
                answer = firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": data} for data in batch])
                assert answer["FailedPutCount"] == 0
        except (NoConnection, HTTPClientError, ClientError):
            sent.update(batch)
            return
        acknowledged["known"].update(batch)


@pytest.mark.parametrize("kind", ["raw", "partitioned", "parquet"])
@pytest.mark.timeout(600)
def test_kill_9_loses_and_doubles_nothing(server, kind):
    """What was acknowledged is delivered once, and what was not at most once, wherever the server is killed."""
    s3, firehose, glue = path_style(server), server.client("firehose"), server.client("glue")
    bucket = make_bucket(s3)
    more = {"raw": {"ProcessingConfiguration": LINES, "Prefix": "good/"}}
    if kind == "partitioned":
        more[kind] = by_keys("{key: .key}", "good/key=!{partitionKeyFromQuery:key}/", BufferingHints=LARGE)
    if kind == "parquet":
        where = make_table(glue, bucket, {"id": "string", "key": "int"})
        more[kind] = {"Prefix": "good/", "BufferingHints": LARGE, "DataFormatConversionConfiguration": conversion(*where)}
    name = make(firehose, bucket, **more[kind])
    acknowledged = {"known": set(), "unknown": set()}
    for round_ in range(8):
        stop, before = threading.Event(), len(acknowledged["known"])
        senders = [
            threading.Thread(target=putting, args=(firehose, name, acknowledged, stop, f"{round_}-{n}")) for n in range(3)
        ]
        for sender in senders:
            sender.start()
        eventually(lambda: len(acknowledged["known"]) > before)
        time.sleep(random.uniform(0, 0.5))
        server.kill()
        stop.set()
        for sender in senders:
            sender.join()
        if round_ % 2:
            # Killed again while it takes up what was left.
            server.start()
            time.sleep(random.uniform(0, 0.05))
            server.kill()
        server.start()
    s3 = path_style(server)
    identify = lambda record: json.dumps({"id": record["id"], "key": record["key"]}).encode()

    def got():
        contents = objects(s3, bucket, "good/").values()
        return list(map(identify, rows(contents))) if kind == "parquet" else lines(contents)

    known, unknown = acknowledged["known"], acknowledged["unknown"]
    eventually(lambda: known <= set(got()))
    found = got()
    twice = [record for record, count in collections.Counter(found).items() if count > 1]
    assert not twice, f"{len(twice)} of {len(found)} records are there twice, such as {twice[0]}"
    assert set(found) <= known | unknown
    assert objects(s3, bucket, "errors/") == {}


def test_what_is_buffered_survives_a_restart(server):
    s3, firehose = path_style(server), server.client("firehose")
    bucket = make_bucket(s3)
    name = make(firehose, bucket, BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 3}, ProcessingConfiguration=LINES)
    put(firehose, name, [b"a", b"b"])
    before = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    server.restart()
    s3, firehose = path_style(server), server.client("firehose")
    assert firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"] == before
    put(firehose, name, [b"c"])
    assert sorted(lines(delivered(s3, bucket, 3).values())) == [b"a", b"b", b"c"]


def test_a_full_disk_refuses_records_and_recovers(new_server):
    """The process may make files of less than a record only, which the log takes for a full disk."""
    server = new_server()
    command = [BINARY, "serve", "--listen", f"127.0.0.1:{server.port}", "--data-dir", str(server.data_dir)]
    # With the signal ignored, as Python has it, a write beyond the limit is an error and does not end the process.
    server.process = subprocess.Popen(command, restore_signals=False)
    server.wait_until_ready()
    s3, firehose = path_style(server), server.client("firehose")
    bucket = make_bucket(s3)
    name = make(firehose, bucket, BufferingHints={"SizeInMBs": 128, "IntervalInSeconds": 900}, ProcessingConfiguration=LINES)
    no_limit = resource.RLIM_INFINITY
    written, data = 1, base64.b64encode(os.urandom(300_000))
    firehose.put_record(DeliveryStreamName=name, Record={"Data": data})
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (300_000, no_limit))
    with pytest.raises(ClientError) as error:
        for _ in range(300):
            firehose.put_record(DeliveryStreamName=name, Record={"Data": data})
            written += 1
    answer = error.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailableException", 503)
    assert "full" in answer["Error"]["Message"]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"more"})
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"BufferingHints": NOW},
    )
    found = lines(delivered(s3, bucket, written + 1).values())
    assert collections.Counter(found) == {data: written, b"more": 1}


# Descriptions, updates, tags


def test_a_description_tells_what_was_asked_for(firehose, bucket):
    asked = destination(
        bucket, Prefix="p/", ErrorOutputPrefix="e/", CompressionFormat="GZIP", ProcessingConfiguration=LINES,
        CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": "g", "LogStreamName": "s"},
        FileExtension=".x", CustomTimeZone="Europe/Berlin",
        BufferingHints={"SizeInMBs": 7, "IntervalInSeconds": 70},
    )
    name = new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=name, ExtendedS3DestinationConfiguration=asked, DirectPutSourceConfiguration={"ThroughputHintInMBs": 3}
    )
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    filled = {**asked, "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"}}
    extended = {**filled, "S3BackupMode": "Disabled"}
    plain = {key: filled[key] for key in filled if key not in ("ProcessingConfiguration", "FileExtension", "CustomTimeZone")}
    assert described.pop("CreateTimestamp").timestamp() == pytest.approx(time.time(), abs=60)
    assert described == {
        "DeliveryStreamName": name,
        "DeliveryStreamARN": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{name}",
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"},
        "DeliveryStreamType": "DirectPut",
        "VersionId": "1",
        "Source": {"DirectPutSourceDescription": {"ThroughputHintInMBs": 3}},
        "Destinations": [
            {"DestinationId": DESTINATION, "S3DestinationDescription": plain, "ExtendedS3DestinationDescription": extended}
        ],
        "HasMoreDestinations": False,
    }
    none = firehose.describe_delivery_stream(DeliveryStreamName=name, ExclusiveStartDestinationId=DESTINATION)
    assert none["DeliveryStreamDescription"]["Destinations"] == []


def test_the_older_configuration_is_taken_too(firehose, s3, bucket):
    name = new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=name, S3DestinationConfiguration=destination(bucket, CompressionFormat="GZIP")
    )
    put(firehose, name, [b"a"])
    [(key, content)] = eventually(lambda: objects(s3, bucket)).items()
    assert key.endswith(".gz") and gzip.decompress(content) == b"a"


def test_an_update_mends_a_destination_that_fails(firehose, s3, bucket):
    name = make(firehose, new_name(), ProcessingConfiguration=LINES)
    put(firehose, name, [b"a", b"b"])
    # The worker has tried, and tries again later and later.
    time.sleep(2)
    put(firehose, name, [b"c"])
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"BucketARN": f"arn:aws:s3:::{bucket}"},
    )
    assert sorted(lines(delivered(s3, bucket, 3).values())) == [b"a", b"b", b"c"]


def test_update_destination(firehose, s3, bucket, shared_server):
    other = make_bucket(s3)
    name = make(firehose, bucket, Prefix="old/", BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    update = lambda version, **more: firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version, DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate=more,
    )
    put(firehose, name, [b"old"])
    # A record that is not read yet goes by the settings that are read with it.
    eventually(lambda: figures(shared_server, name)["buffered_records"] == 1)
    update("1", BucketARN=f"arn:aws:s3:::{other}", Prefix="new/", CompressionFormat="GZIP", BufferingHints=NOW)
    put(firehose, name, [b"new"])
    # What was taken under the old settings and waited is delivered by the old settings.
    [(key, content)] = eventually(lambda: objects(s3, other)).items()
    assert key.startswith("new/") and f"{name}-2-" in key and gzip.decompress(content).endswith(b"new")
    old = objects(s3, bucket)
    assert b"".join(old.values()) + gzip.decompress(content) == b"oldnew"
    assert all(key.startswith("old/") and f"{name}-1-" in key for key in old)
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    now = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert (described["VersionId"], now["Prefix"], now["RoleARN"], now["BufferingHints"]) == ("2", "new/", ROLE, NOW)
    assert described["LastUpdateTimestamp"] >= described["CreateTimestamp"]
    message = f"Cannot update firehose: {name} since the current version id: 2 and specified version id: 1 do not match"
    with refused("ConcurrentModificationException", message):
        update("1", Prefix="lost/")
    with refused("InvalidArgumentException", "Destination Id destinationId-000000000002 not found"):
        firehose.update_destination(
            DeliveryStreamName=name, CurrentDeliveryStreamVersionId="2", DestinationId="destinationId-000000000002",
            ExtendedS3DestinationUpdate={},
        )
    with refused("InvalidArgumentException", "ErrorOutputPrefix cannot be null or empty"):
        update("2", Prefix="!{timestamp:yyyy}/")
    with refused("ResourceNotFoundException"):
        firehose.update_destination(
            DeliveryStreamName="none", CurrentDeliveryStreamVersionId="2", DestinationId=DESTINATION,
            ExtendedS3DestinationUpdate={},
        )
    assert firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"] == described


def test_of_racing_updates_one_wins(firehose, client, bucket):
    name = make(firehose, bucket)
    outcomes = []

    def update(n):
        try:
            client("firehose").update_destination(
                DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=DESTINATION,
                ExtendedS3DestinationUpdate={"Prefix": f"{n}/"},
            )
            outcomes.append(n)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConcurrentModificationException"

    racers = [threading.Thread(target=update, args=(n,)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    assert [f"{n}/" for n in outcomes] == [described["Destinations"][0]["S3DestinationDescription"]["Prefix"]]
    assert described["VersionId"] == "2"


def test_lists_tags_and_deletion(server):
    firehose, s3 = server.client("firehose"), path_style(server)
    bucket = make_bucket(s3)
    names = [f"stream-{n:02}" for n in range(12)]
    for name in names:
        firehose.create_delivery_stream(
            DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination(bucket), Tags=[{"Key": "n", "Value": name}]
        )
    page = firehose.list_delivery_streams()
    assert (page["DeliveryStreamNames"], page["HasMoreDeliveryStreams"]) == (names[:10], True)
    page = firehose.list_delivery_streams(ExclusiveStartDeliveryStreamName=names[9])
    assert (page["DeliveryStreamNames"], page["HasMoreDeliveryStreams"]) == (names[10:], False)
    firehose.tag_delivery_stream(DeliveryStreamName=names[0], Tags=[{"Key": "a", "Value": "1"}, {"Key": "n", "Value": "2"}, {"Key": "z"}])
    tags = firehose.list_tags_for_delivery_stream(DeliveryStreamName=names[0], Limit=2)
    assert tags["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "n", "Value": "2"}] and tags["HasMoreTags"]
    rest = firehose.list_tags_for_delivery_stream(DeliveryStreamName=names[0], ExclusiveStartTagKey="n")
    assert rest["Tags"] == [{"Key": "z", "Value": ""}] and not rest["HasMoreTags"]
    firehose.untag_delivery_stream(DeliveryStreamName=names[0], TagKeys=["a", "z", "unknown"])
    with refused("LimitExceededException", "cannot have more than 50 tags"):
        firehose.tag_delivery_stream(DeliveryStreamName=names[0], Tags=[{"Key": str(n), "Value": ""} for n in range(50)])
    assert firehose.list_tags_for_delivery_stream(DeliveryStreamName=names[0])["Tags"] == [{"Key": "n", "Value": "2"}]
    # The same name in another account or region is another delivery stream.
    for other in (
        server.client("firehose", region_name="eu-west-1"),
        server.client("firehose", aws_access_key_id="111122223333"),
    ):
        assert other.list_delivery_streams()["DeliveryStreamNames"] == []
        with refused("ResourceNotFoundException"):
            other.put_record(DeliveryStreamName=names[0], Record={"Data": b"x"})
    firehose.delete_delivery_stream(DeliveryStreamName=names[0])
    missing = f"Firehose {names[0]} under account {ACCOUNT} not found."
    for call, more in [
        (firehose.describe_delivery_stream, {}),
        (firehose.delete_delivery_stream, {}),
        (firehose.put_record, {"Record": {"Data": b"x"}}),
        (firehose.put_record_batch, {"Records": [{"Data": b"x"}]}),
        (firehose.list_tags_for_delivery_stream, {}),
        (firehose.tag_delivery_stream, {"Tags": [{"Key": "k"}]}),
        (firehose.untag_delivery_stream, {"TagKeys": ["k"]}),
    ]:
        with refused("ResourceNotFoundException", missing):
            call(DeliveryStreamName=names[0], **more)
    # The name is free again, and begins with nothing of what was.
    firehose.create_delivery_stream(
        DeliveryStreamName=names[0], ExtendedS3DestinationConfiguration=destination(bucket, Prefix="again/")
    )
    put(firehose, names[0], [b"new"])
    assert list(eventually(lambda: objects(s3, bucket)).values()) == [b"new"]
    assert firehose.list_tags_for_delivery_stream(DeliveryStreamName=names[0])["Tags"] == []


# Bad input


def test_limits_of_records_and_batches(firehose, unchecked, s3, bucket):
    name = make(firehose, bucket, BufferingHints={"SizeInMBs": 128, "IntervalInSeconds": 1})
    full = 1_024_000
    put(firehose, name, [b"a" * full, b"a" * full, b"a" * full, b"a" * full, b"a" * (4 * MIB - 4 * full)])
    delivered_bytes = lambda: sum(map(len, objects(s3, bucket).values()))
    eventually(lambda: delivered_bytes() == 4 * MIB)
    record = {"Data": b"a" * (full + 1)}
    with refused("ValidationException", "Member must have length less than or equal to 1024000"):
        unchecked.put_record(DeliveryStreamName=name, Record=record)
    with refused("ValidationException", "'records.2.member.data'"):
        unchecked.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"a"}, record])
    with refused("ValidationException", "'records' failed to satisfy constraint: Member must have length less than or equal to 500"):
        unchecked.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"a"}] * 501)
    with refused("ValidationException", "'records' failed to satisfy constraint: Member must have length greater than or equal to 1"):
        unchecked.put_record_batch(DeliveryStreamName=name, Records=[])
    with refused("InvalidArgumentException", "Records size exceeds 4 MB limit"):
        put(firehose, name, [b"a" * full] * 4 + [b"a" * (4 * MIB - 4 * full + 1)])
    with refused("ValidationException", "'record' failed to satisfy constraint: Member must not be null"):
        unchecked.put_record(DeliveryStreamName=name)
    with refused("ValidationException", "'deliveryStreamName'"):
        unchecked.put_record(DeliveryStreamName="no spaces", Record={"Data": b"a"})
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"b"})
    eventually(lambda: delivered_bytes() == 4 * MIB + 1)


def changed(settings, **more):
    return {**settings, **more}


PARTITIONED = by_keys("{a: .a}", "!{partitionKeyFromQuery:a}/")
CONVERTED = {"DataFormatConversionConfiguration": conversion("d", "t"), "BufferingHints": LARGE}
LAMBDA = [{"Type": "Lambda", "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": "arn:aws:lambda:us-east-1:000000000000:function:f"}]}]
BLANK = {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\n"}]}
KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    "more, code, message",
    [
        ({"Prefix": "!{timestamp:yyyy}/"}, "InvalidArgumentException", "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions"),
        ({"Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": "e/!{timestamp:yyyy}/"}, "InvalidArgumentException", "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}"),
        ({"Prefix": ERRORS, "ErrorOutputPrefix": ERRORS}, "InvalidArgumentException", "Prefix must not contain any occurrence of !{firehose:error-output-type}"),
        ({"Prefix": "!{date:yyyy}/", "ErrorOutputPrefix": ERRORS}, "InvalidArgumentException", "Namespace to the left of colon (date) is an invalid keyword!"),
        ({"Prefix": "!{timestamp:b}/", "ErrorOutputPrefix": ERRORS}, "InvalidArgumentException", "Invalid conversion character"),
        ({"Prefix": "!{timestamp", "ErrorOutputPrefix": ERRORS}, "InvalidArgumentException", "Invalid expression usage"),
        ({"Prefix": "p" * 1025}, "ValidationException", "Member must have length less than or equal to 1024"),
        ({"Prefix": "p" * 600}, "InvalidArgumentException", "Length of evaluated prefix cannot be greater than 512"),
        ({"Prefix": "!{partitionKeyFromQuery:a}/", "ErrorOutputPrefix": ERRORS}, "InvalidArgumentException", "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is enabled."),
        (changed(PARTITIONED, ErrorOutputPrefix=ERRORS + "!{partitionKeyFromQuery:a}/"), "InvalidArgumentException", "Dynamic Partitioning Namespaces can't be part of an error prefix expression"),
        (changed(PARTITIONED, Prefix="!{partitionKeyFromQuery:b}/"), "InvalidArgumentException", "MetaDataExtraction JQ Query can't contain keys"),
        (changed(PARTITIONED, Prefix="!{partitionKeyFromLambda:a}/"), "InvalidArgumentException", "Lambda should be present"),
        (changed(PARTITIONED, BufferingHints=NOW), "InvalidArgumentException", "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled."),
        (changed(PARTITIONED, ProcessingConfiguration={"Enabled": True, "Processors": [extraction("{a: .a")]}), "InvalidArgumentException", "MetaDataExtraction JQ Query is invalid"),
        (changed(PARTITIONED, ProcessingConfiguration={"Enabled": True, "Processors": [extraction("{a: (.a // halt)}")]}), "InvalidArgumentException", "MetaDataExtraction JQ Query is invalid: the query may not use halt/0"),
        (changed(PARTITIONED, ProcessingConfiguration={"Enabled": True, "Processors": [extraction("{a: .a // 1}")]}), "InvalidArgumentException", "MetaDataExtraction JQ Query is invalid: the query does not parse"),
        (changed(PARTITIONED, ProcessingConfiguration={"Enabled": True, "Processors": [extraction("{a: (.a | ltrimstr)}")]}), "InvalidArgumentException", "MetaDataExtraction JQ Query is invalid: the query names what is not defined: ltrimstr/0"),
        ({"BufferingHints": {"SizeInMBs": 0, "IntervalInSeconds": 60}}, "ValidationException", "Member must have value greater than or equal to 1"),
        ({"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 60}}, "ValidationException", "Member must have value less than or equal to 128"),
        ({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 901}}, "ValidationException", "Member must have value less than or equal to 900"),
        ({"BufferingHints": {"SizeInMBs": 1}}, "InvalidArgumentException", "Both SizeInMBs and IntervalInSeconds are required"),
        (changed(CONVERTED, BufferingHints=NOW), "InvalidArgumentException", "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled."),
        (changed(CONVERTED, CompressionFormat="GZIP"), "InvalidArgumentException", "compression format must be set to UNCOMPRESSED when data format conversion is enabled"),
        (changed(CONVERTED, DataFormatConversionConfiguration={"Enabled": True}), "InvalidArgumentException", "SchemaConfiguration must not be null"),
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": LAMBDA}}, "InvalidArgumentException", "catchment does not run Lambda processors yet."),
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": []}}, "InvalidArgumentException", "A maximum of 5 and a minimum of 1 processor needs to be supplied"),
        ({"S3BackupMode": "Enabled"}, "InvalidArgumentException", "S3BackupConfiguration is required"),
        ({"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": KEY}}}, "InvalidArgumentException", "catchment does not encrypt objects"),
        ({"CompressionFormat": "LZ4"}, "ValidationException", "Member must satisfy enum value set"),
        ({"FileExtension": "txt"}, "ValidationException", "Member must satisfy regular expression pattern"),
        ({"CustomTimeZone": "Moon/Crater"}, "InvalidArgumentException", "CustomTimeZone Moon/Crater is not a valid time zone"),
        ({"RoleARN": "role"}, "ValidationException", "'extendedS3DestinationConfiguration.roleARN'"),
        ({"BucketARN": "bucket"}, "ValidationException", "regular expression pattern: arn:.*:s3:::"),
        ({"BucketARN": "arn:aws:s3:::a/b"}, "ValidationException", "regular expression pattern: arn:.*:s3:::"),
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": [BLANK]}}, "ValidationException", "regular expression pattern"),
    ],
)
def test_what_does_not_fit_is_refused_and_makes_nothing(firehose, unchecked, bucket, more, code, message):
    name = new_name()
    with refused(code, message):
        unchecked.create_delivery_stream(
            DeliveryStreamName=name, ExtendedS3DestinationConfiguration={**destination(bucket), **more}
        )
    with refused("ResourceNotFoundException"):
        firehose.describe_delivery_stream(DeliveryStreamName=name)


def test_sources_destinations_and_names_are_checked(firehose, unchecked, bucket):
    s3 = {"ExtendedS3DestinationConfiguration": destination(bucket)}
    source = {"KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/none", "RoleARN": ROLE}
    theirs = {"KinesisStreamARN": "arn:aws:kinesis:us-east-1:111111111111:stream/none", "RoleARN": ROLE}
    splunk = {
        "HECEndpoint": "https://splunk.example:8088", "HECEndpointType": "Raw", "HECToken": "t", "S3Configuration": destination(bucket)
    }
    for more, code, message in [
        ({}, "InvalidArgumentException", "Exactly one destination configuration is supported for a Firehose"),
        ({**s3, "S3DestinationConfiguration": destination(bucket)}, "InvalidArgumentException", "Exactly one destination"),
        ({"SplunkDestinationConfiguration": splunk}, "InvalidArgumentException", "catchment does not deliver to Splunk yet."),
        ({**s3, "DeliveryStreamType": "MSKAsSource"}, "InvalidArgumentException", "catchment does not deliver from MSKAsSource yet."),
        ({**s3, "DeliveryStreamType": "Nothing"}, "ValidationException", "enum value set"),
        ({**s3, "DeliveryStreamType": "KinesisStreamAsSource"}, "InvalidArgumentException", "KinesisSourceStreamConfig is mandatory"),
        ({**s3, "DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": source}, "InvalidArgumentException", "Stream none not found."),
        ({**s3, "KinesisStreamSourceConfiguration": source}, "InvalidArgumentException", "DeliveryStreamType is KinesisStreamAsSource"),
        ({**s3, "DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": theirs}, "InvalidArgumentException", f"must belong to the account of the delivery stream, {ACCOUNT}"),
        ({**s3, "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "CUSTOMER_MANAGED_CMK"}}, "InvalidArgumentException", "KeyARN is required"),
        ({**s3, "Tags": [{"Key": "aws:x", "Value": "v"}]}, "ValidationException", "regular expression pattern"),
        ({**s3, "DeliveryStreamName": "n" * 65}, "ValidationException", "less than or equal to 64"),
        ({**s3, "DeliveryStreamName": "n/n"}, "ValidationException", "regular expression pattern"),
    ]:
        with refused(code, message):
            unchecked.create_delivery_stream(**{"DeliveryStreamName": "never", **more})
    assert "never" not in firehose.list_delivery_streams(Limit=10000)["DeliveryStreamNames"]
    name = make(firehose, bucket)
    with refused("ResourceInUseException", f"Firehose {name} under accountId {ACCOUNT} already exists"):
        firehose.create_delivery_stream(DeliveryStreamName=name, **s3)


def test_the_log_warns_of_records_without_a_delimiter(new_server):
    server = new_server().start()
    firehose, bucket = server.client("firehose"), make_bucket(path_style(server))
    firehose.create_delivery_stream(
        DeliveryStreamName="with", ExtendedS3DestinationConfiguration=destination(bucket, ProcessingConfiguration=LINES)
    )
    firehose.create_delivery_stream(DeliveryStreamName="without", ExtendedS3DestinationConfiguration=destination(bucket))
    told = [line for line in server.log.read_text().splitlines() if "AppendDelimiterToRecord" in line]
    assert len(told) == 1 and "without" in told[0]


# Delta tables


def delta_table(server, place):
    """The table as the package deltalake reads it through our S3."""
    options = {
        "AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    return deltalake.DeltaTable(place, storage_options=options)


def test_delta_tables_get_every_record_once_over_kill_9(server):
    firehose, glue, s3 = server.client("firehose"), server.client("glue"), path_style(server)
    s3.create_bucket(Bucket="lake")
    columns, keys = {"n": "bigint", "name": "string", "at": "timestamp", "tags": "array<string>"}, [("kind", "string")]
    where = make_table(glue, "lake", columns, "events/", keys, {"spark.sql.sources.provider": "delta"})
    prefix = "events/kind=!{partitionKeyFromQuery:kind}/"
    more = by_keys("{kind: .kind}", prefix, BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 0}, **backup("lake", Prefix="source/"))
    more["ProcessingConfiguration"]["Processors"] = [extraction("{kind: .kind}")]
    name = make(firehose, "lake", DataFormatConversionConfiguration=conversion(*where), **more)
    acknowledged, stop = [], threading.Event()
    numbers = itertools.count()

    def send():
        while not stop.is_set():
            batch = [next(numbers) for _ in range(50)]
            records = [
                json.dumps({"kind": "abc"[n % 3], "n": n, "name": f"name {n}", "at": "2013-01-01 05:15:00", "tags": [str(n), None]}).encode()
                for n in batch
            ]
            try:
                put(firehose, name, records)
            except (NoConnection, HTTPClientError, ClientError):
                continue
            acknowledged.extend(batch)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(6):
            before = len(acknowledged)
            eventually(lambda: len(acknowledged) >= before + 200)
            server.kill()
            server.start()
    finally:
        stop.set()
        sender.join()
    put(firehose, name, [b'{"kind": "c", "n": "no number"}'])

    def rows():
        return delta_table(server, "s3://lake/events").to_pyarrow_table()

    eventually(lambda: len(lines(objects(s3, "lake", "errors/format-conversion-failed/").values())) == 1)
    eventually(lambda: set(acknowledged) <= set(rows()["n"].to_pylist()))
    table = rows()
    found = table["n"].to_pylist()
    # A call without an answer may have come through or not.
    assert len(found) == len(set(found)) and set(acknowledged) <= set(found)
    by_number = {row["n"]: row for row in table.to_pylist()}
    for n in acknowledged:
        row = by_number[n]
        at = row["at"].replace(tzinfo=None)
        assert (row["kind"], row["name"], row["tags"], at) == ("abc"[n % 3], f"name {n}", [str(n), None], datetime.datetime(2013, 1, 1, 5, 15))
    history = delta_table(server, "s3://lake/events").history()
    assert len(history) > 6


def test_what_a_delta_table_cannot_take_is_told_and_mended(firehose, shared_server, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"}, "delta/", parameters={"table_type": "DELTA"})
    name = make(firehose, bucket, Prefix="elsewhere/", BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where))
    put(firehose, name, [b'{"n": 1}', b'{"n": 2}'])

    def failure():
        (one,) = [each for each in json.loads(command(shared_server, "deliveries", "--json").stdout) if each["name"] == name]
        return one["last_error"]

    eventually(lambda: "is not below the Delta table's location" in (failure() or ""))
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"Prefix": "delta/new/"},
    )
    place = f"s3://{bucket}/delta"
    eventually(lambda: f"{bucket}" and objects(s3, bucket, "delta/_delta_log/"))
    eventually(lambda: sorted(delta_table(shared_server, place).to_pyarrow_table()["n"].to_pylist()) == [1, 2])
    assert objects(s3, bucket, "elsewhere/") == {}


# Buckets of somebody else


def test_buckets_of_somebody_else_take_objects_exactly_once(new_server, tmp_path):
    """Another server of ours stands for any S3-compatible store."""
    theirs = new_server("--access-key=their-id:their-secret-secret").start()
    remote = theirs.client(
        "s3", aws_access_key_id="their-id", aws_secret_access_key="their-secret-secret",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    remote.create_bucket(Bucket="their-bucket")
    settings = tmp_path / "catchment.toml"
    options = f"""endpoint = "{theirs.endpoint}"
region = "us-east-1"
access_key_id = "their-id"
secret_access_key = "their-secret-secret"
"""
    settings.write_text(f"""[remote_buckets.archive]
url = "s3://their-bucket/below"
{options}
[remote_buckets.disk]
url = "file://{tmp_path}/disk"
""")
    shown = run("config", "--config", settings).stdout
    assert "their-secret-secret" not in shown and "their-bucket" in shown
    server = new_server("--config", str(settings)).start()
    firehose = server.client("firehose")
    names = [make(firehose, bucket, Prefix="raw/", CompressionFormat="GZIP", ProcessingConfiguration=LINES) for bucket in ("archive", "disk")]
    unzipped = lambda contents: lines(map(gzip.decompress, contents))
    sent = []
    for round in range(4):
        records = [f"{round}-{n}".encode() for n in range(500)]
        for name in names:
            put(firehose, name, records)
        sent += records
        if round % 2:
            server.kill()
            server.start()
    eventually(lambda: sorted(unzipped(objects(remote, "their-bucket", "below/raw/").values())) == sorted(sent))

    keys = objects(remote, "their-bucket")
    assert {remote.head_object(Bucket="their-bucket", Key=key)["ContentEncoding"] for key in keys} == {"gzip"}

    def on_disk():
        return [file.read_bytes() for file in (tmp_path / "disk").rglob("*") if file.is_file()]

    eventually(lambda: sorted(unzipped(on_disk())) == sorted(sent))
    # While the other is away the records wait.
    theirs.kill()
    put(firehose, names[0], [b"later"])
    eventually(lambda: figures(server, names[0])["failing"] == 1)
    theirs.start()
    eventually(lambda: b"later" in unzipped(objects(remote, "their-bucket").values()))
    assert len(unzipped(objects(remote, "their-bucket").values())) == len(sent) + 1


# What is seen of delivery streams


def test_metrics_and_the_table_tell_how_a_delivery_gets_on(server):
    firehose, s3 = server.client("firehose"), path_style(server)
    s3.create_bucket(Bucket="lake")
    more = by_keys("{c: .c}", "!{partitionKeyFromQuery:c}/", **backup("missing", Prefix="source/"))
    name = make(firehose, "lake", **more)
    put(firehose, name, [b'{"c": "a"}'] * 10 + [b"bad"])
    eventually(lambda: figures(server, name)["failed_records_total"] == 1)
    shown = eventually(lambda: (found := figures(server, name))["records_total"] == 10 and found["failing"] and found)
    assert shown["incoming_records_total"] == 11 and shown["incoming_bytes_total"] == 103
    assert shown["objects_total"] == 1 and shown["bytes_total"] == 110 and shown["lost_records_total"] == 0
    assert shown["backup_records_total"] == shown["lag_records"] == shown["buffered_records"] == 0
    table = command(server, "deliveries").stdout.splitlines()
    assert table[0].split() == "delivery stream region source destination delivered bytes failed lost buffered lag oldest last object error".split()
    row = re.split(r" {2,}", table[1].strip())
    assert row[:5] == [name, "us-east-1", "direct put", "s3://lake/!{partitionKeyFromQuery:c}/", "10"], row
    assert row[-2].startswith("s3://lake/") and "backup: " in row[-1] and "missing" in row[-1], row
    (whole,) = json.loads(command(server, "deliveries", "--json").stdout)
    assert whole["failed_records"] == 1 and whole["destination"] == row[3]
    s3.create_bucket(Bucket="missing")
    shown = eventually(lambda: (found := figures(server, name))["backup_records_total"] == 11 and not found["failing"] and found)
    assert shown["backup_bytes_total"] == 103


def test_quotas_of_rate_hold_where_they_are_asked_for(new_server):
    server = new_server("--limits=aws").start()
    firehose, s3 = server.client("firehose"), path_style(server)
    s3.create_bucket(Bucket="lake")
    name = make(firehose, "lake", ProcessingConfiguration=LINES)
    sent, refusals = [], collections.Counter()
    for n in range(20):
        records = [{"Data": b"%02d%03d" % (n, index) + b"x" * 8000} for index in range(500)]
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
        failed = [entry for entry in answer["RequestResponses"] if "ErrorCode" in entry]
        assert answer["FailedPutCount"] == len(failed)
        assert all(entry == {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."} for entry in failed)
        assert all(len(entry["RecordId"]) > 0 for entry in answer["RequestResponses"] if entry not in failed)
        sent += [record["Data"] for record, entry in zip(records, answer["RequestResponses"]) if "RecordId" in entry]
        refusals[bool(failed)] += 1
    assert refusals[True] > 0 and len(sent) < 10_000
    with pytest.raises(ClientError) as slow:
        for _ in range(100):
            firehose.put_record(DeliveryStreamName=name, Record={"Data": b"y" * 1_000_000})
            sent.append(b"y" * 1_000_000)
    error = slow.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == ("ServiceUnavailableException", "Slow down.")
    eventually(lambda: sorted(lines(objects(s3, "lake").values())) == sorted(sent))
    with pytest.raises(ClientError) as slow:
        for _ in range(20):
            firehose.list_delivery_streams()
    assert (slow.value.response["Error"]["Code"], slow.value.response["Error"]["Message"]) == ("ThrottlingException", "Rate exceeded")


def test_thousands_of_partitions_do_not_fill_the_memory(server):
    """Buffers that have no room in memory wait on the disk, and nothing of them is lost."""
    firehose, s3 = server.client("firehose"), path_style(server)
    s3.create_bucket(Bucket="lake")
    late = {"SizeInMBs": 128, "IntervalInSeconds": 900}
    name = make(firehose, "lake", **by_keys("{c: .c}", "c=!{partitionKeyFromQuery:c}/", BufferingHints=late))
    rng = random.Random(1)
    sent = collections.defaultdict(list)
    for batch in range(240):
        records = []
        for n in range(500):
            key = f"{rng.randrange(2000):04}"
            sent[key].append(f"{batch}-{n}")
            records.append({"Data": json.dumps({"c": key, "n": f"{batch}-{n}", "x": "x" * 700}).encode()})
        firehose.put_record_batch(DeliveryStreamName=name, Records=records)
    eventually(lambda: figures(server, name)["buffered_records"] == 120_000, seconds=120)
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) < 256 << 10, status
    soon = {"SizeInMBs": 64, "IntervalInSeconds": 0}
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"BufferingHints": soon},
    )
    eventually(lambda: figures(server, name)["records_total"] == 120_000, seconds=120)
    found = objects(s3, "lake")
    assert len(found) == 2000
    for key, content in found.items():
        assert [json.loads(line)["n"] for line in content.splitlines()] == sent[key[2:6]], key
