"""Delta tables that the package deltalake keeps in our buckets: its commits rest on puts that overwrite nothing."""

import base64
import concurrent.futures
import contextlib
import datetime
import itertools
import json
import threading

import pyarrow as pa
from botocore.exceptions import ClientError, ConnectionError as NoConnection, HTTPClientError
from conftest import ACCESS_KEY, REGION, SECRET_KEY, eventually
from delivery_streams import (
    DESTINATION, LARGE_SECOND, backup, by_keys, conversion, extraction, lines, make, make_table, objects, path_style, put,
)
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from test_commands import command

WRITERS = 4
COMMITS = 10


def options(server):
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
    }


def test_racing_writers_of_a_table_lose_nothing(shared_server):
    shared_server.client("s3").create_bucket(Bucket="delta-races")
    place, storage = "s3://delta-races/table", options(shared_server)

    def write(writer):
        for commit in range(COMMITS):
            row = pa.table({"writer": [writer], "commit": [commit]})
            written = False
            while not written:
                # One that was overtaken too often gives up, and has written nothing.
                with contextlib.suppress(CommitFailedError):
                    write_deltalake(place, row, mode="append", storage_options=storage)
                    written = True

    write_deltalake(place, pa.table({"writer": [0], "commit": [-1]}), storage_options=storage)
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    table = DeltaTable(place, storage_options=storage)
    rows = sorted((row["writer"], row["commit"]) for row in table.to_pyarrow_table().to_pylist())
    assert rows == sorted([(0, -1)] + [(w, c) for w in range(WRITERS) for c in range(COMMITS)])
    assert table.version() == WRITERS * COMMITS


def test_a_table_is_compacted_checkpointed_and_vacuumed(shared_server):
    s3 = shared_server.client("s3")
    s3.create_bucket(Bucket="delta-upkeep")
    place, storage = "s3://delta-upkeep/some/table", options(shared_server)
    for day in ("2013-01-01", "2013-01-02 %:ü") * 3:
        write_deltalake(
            place, pa.table({"day": [day], "n": [1]}), mode="append", partition_by=["day"], storage_options=storage
        )
    table = DeltaTable(place, storage_options=storage)
    assert table.optimize.compact()["numFilesRemoved"] == 6
    table.create_checkpoint()
    # All but the two files that are left.
    gone = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(gone) == 6
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="delta-upkeep", Prefix="some/table/day=")["Contents"]]
    assert len(keys) == 2
    days = DeltaTable(place, storage_options=storage).to_pyarrow_table().column("day").to_pylist()
    assert sorted(days) == ["2013-01-01"] * 3 + ["2013-01-02 %:ü"] * 3


def test_a_table_that_asks_for_it_is_compacted_while_it_grows(shared_server):
    s3, glue, firehose = (shared_server.client(name) for name in ("s3", "glue", "firehose"))
    s3.create_bucket(Bucket="delta-compacted")
    glue.create_database(DatabaseInput={"Name": "compacted"})
    glue.create_table(
        DatabaseName="compacted",
        TableInput={
            "Name": "events",
            "Parameters": {"table_type": "DELTA", "catchment.compact_to_mb": "16"},
            "StorageDescriptor": {"Columns": [{"Name": "n", "Type": "bigint"}], "Location": "s3://delta-compacted/events/"},
        },
    )
    role = "arn:aws:iam::000000000000:role/any"
    firehose.create_delivery_stream(
        DeliveryStreamName="compacted",
        ExtendedS3DestinationConfiguration={
            "BucketARN": "arn:aws:s3:::delta-compacted",
            "RoleARN": role,
            "Prefix": "events/",
            "ErrorOutputPrefix": "errors/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
            "DataFormatConversionConfiguration": {
                "SchemaConfiguration": {"RoleARN": role, "DatabaseName": "compacted", "TableName": "events"},
                "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
            },
        },
    )

    def table(version=None):
        return DeltaTable("s3://delta-compacted/events", version=version, storage_options=options(shared_server))

    def rows(table):
        return sorted(table.to_pyarrow_table()["n"].to_pylist())

    # Each waits for the one before it, so that each is a file of its own.
    for n in range(60):
        firehose.put_record(DeliveryStreamName="compacted", Record={"Data": json.dumps({"n": n})})
        eventually(lambda: s3.list_objects_v2(Bucket="delta-compacted", Prefix="events/")["KeyCount"] > 0 and n in rows(table()))
    eventually(lambda: any(commit["operation"] == "OPTIMIZE" for commit in table().history()))
    now = table()
    assert rows(now) == list(range(60))
    assert len(now.file_uris()) < 40
    [optimized, *_] = [commit["version"] for commit in now.history() if commit["operation"] == "OPTIMIZE"]
    # What was there before is the same, from other files.
    assert rows(table(optimized)) == rows(table(optimized - 1))
    assert len(table(optimized).file_uris()) < len(table(optimized - 1).file_uris())
    # Nothing else lies about than what the versions of the last week name.
    assert now.vacuum(dry_run=True) == []


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
        return DeltaTable("s3://lake/events", storage_options=options(server)).to_pyarrow_table()

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
    history = DeltaTable("s3://lake/events", storage_options=options(server)).history()
    assert len(history) > 6


def test_a_partition_that_a_delta_table_cannot_have_holds_nothing_up(firehose, shared_server, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"}, "delta/", [("p", "int")], parameters={"table_type": "DELTA"})
    prefix = "delta/p=!{partitionKeyFromQuery:p}/"
    more = by_keys("{p: .p}", prefix, BufferingHints=LARGE_SECOND)
    more["ProcessingConfiguration"]["Processors"] = [extraction("{p: .p}")]
    name = make(firehose, bucket, DataFormatConversionConfiguration=conversion(*where), **more)
    put(firehose, name, [json.dumps({"p": p, "n": n}).encode() for n, p in enumerate([0, 1, "abc", 2])])
    (failure,) = map(json.loads, eventually(lambda: lines(objects(s3, bucket, "errors/format-conversion-failed/").values())))
    assert json.loads(base64.b64decode(failure["rawData"])) == {"p": "abc", "n": 2}
    assert 'partition column "p" is integer, which "abc" is not' in failure["errorMessage"]
    put(firehose, name, [b'{"p": 3, "n": 4}'])
    rows = lambda: DeltaTable(f"s3://{bucket}/delta", storage_options=options(shared_server)).to_pyarrow_table().to_pylist()
    eventually(lambda: objects(s3, bucket, "delta/_delta_log/") and len(rows()) == 4)
    assert sorted((row["p"], row["n"]) for row in rows()) == [(0, 0), (1, 1), (2, 3), (3, 4)]


def test_what_a_delta_table_cannot_take_is_told_and_mended(firehose, shared_server, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"}, "delta/", parameters={"table_type": "DELTA"})
    name = make(firehose, bucket, Prefix="elsewhere/", BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where))
    put(firehose, name, [b'{"n": 1}', b'{"n": 2}'])

    def failure():
        (one,) = [each for each in json.loads(command(shared_server, "deliveries", "--json").stdout) if each["name"] == name]
        return one["last_error"]

    eventually(lambda: "is not below the Delta table's location" in (failure() or ""))
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"Prefix": "delta/new/"},
    )
    place = f"s3://{bucket}/delta"
    eventually(lambda: f"{bucket}" and objects(s3, bucket, "delta/_delta_log/"))
    eventually(lambda: sorted(DeltaTable(place, storage_options=options(shared_server)).to_pyarrow_table()["n"].to_pylist()) == [1, 2])
    assert objects(s3, bucket, "elsewhere/") == {}
