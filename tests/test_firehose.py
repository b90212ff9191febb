"""Firehose through boto3 against the built binary: records in, objects out, each record once."""

import base64
import collections
import datetime
import gzip
import io
import itertools
import json
import os
import random
import re
import resource
import subprocess
import threading
import time
import uuid
import zipfile

import botocore.config
import pyarrow
import pytest
from botocore.exceptions import ClientError, ConnectionError as NoConnection, HTTPClientError
from conftest import BINARY, eventually, make_bucket, refused
from delivery_streams import (
    ACCOUNT, DESTINATION, ERRORS, LARGE, LARGE_SECOND, LINES, MIB, NAME, NOW, ROLE, aggregated, backup,
    by_keys, conversion, delivered, destination, extraction, figures, lines, make, make_table, new_name, objects,
    path_style, processors, put, rows,
)
from test_commands import command
from test_server import run


# Records within records


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
    assert shown["failed_attempts_total"] >= 1
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
    assert shown["backup_bytes_total"] == 103 and shown["backup_data_freshness_seconds"] == 0


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
