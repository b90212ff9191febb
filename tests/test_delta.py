"""Delta tables that the package deltalake keeps in our buckets: its commits rest on puts that overwrite nothing."""

import concurrent.futures
import contextlib

import pyarrow as pa
from conftest import ACCESS_KEY, REGION, SECRET_KEY
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
