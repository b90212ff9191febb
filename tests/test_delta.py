"""Delta tables that the package deltalake keeps in our buckets: its commits rest on puts that overwrite nothing."""

import concurrent.futures
import contextlib
import json

import pyarrow as pa
from conftest import ACCESS_KEY, REGION, SECRET_KEY, eventually
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

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
