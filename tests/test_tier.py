"""Old records in an object store: a directory, and an S3 bucket that is another catchment's."""

import json
import os
import urllib.request

import pytest
from conftest import eventually, refused
from test_kinesis import make, read_shard

RECORD = 256 << 10
# Enough for two log files of 64 MiB beside the first, small one, and the one that is being written.
RECORDS = 560
# What stays in any case: the first, with another stream's record; the newest finished one; the one that is being
# written; the next.
FILES_LEFT = 4


def fill(kinesis, name):
    data = [os.urandom(RECORD) for _ in range(20)]
    for first in range(0, RECORDS, 20):
        records = [{"Data": data[n], "PartitionKey": f"{first + n}"} for n in range(20)]
        assert kinesis.put_records(StreamName=name, Records=records)["FailedRecordCount"] == 0
    return data


def check(kinesis, name, data, shards=2):
    found = [record for shard in range(shards) for record in read_shard(kinesis, name, f"shardId-{shard:012}")]
    assert len(found) == RECORDS
    assert {int(record["PartitionKey"]): record["Data"] for record in found} == {n: data[n % 20] for n in range(RECORDS)}


def status(server):
    with urllib.request.urlopen(f"{server.endpoint}/_catchment/status", timeout=30) as answer:
        return json.load(answer)["log"]


@pytest.mark.parametrize("place", ["directory", "bucket"])
def test_old_records_move_and_are_read_as_before(new_server, tmp_path, place):
    if place == "directory":
        arguments = ["--tier", f"file://{tmp_path}/far"]
    else:
        far = new_server("--access-key", "far:hush").start()
        far.client("s3", aws_access_key_id="far", aws_secret_access_key="hush").create_bucket(Bucket="far")
        options = {"endpoint": far.endpoint, "region": "us-east-1", "access_key_id": "far", "secret_access_key": "hush"}
        arguments = ["--tier", "s3://far/old"]
        arguments += [part for item in options.items() for part in ("--tier-option", "=".join(item))]
    near = new_server(*arguments).start()
    kinesis = near.client("kinesis")
    kept, moving = make(kinesis), make(kinesis, 2, Tags={"catchment.tier_after_hours": "0"})
    kinesis.put_record(StreamName=kept, Data=b"kept", PartitionKey="k")
    data = fill(kinesis, moving)
    eventually(lambda: status(near)["tiered_objects"] >= 3)
    eventually(lambda: len(list((near.data_dir / "log").glob("*.log"))) <= FILES_LEFT)
    check(kinesis, moving, data)
    # All of it is still there after a kill, and nothing twice.
    near.kill()
    near.start()
    kinesis = near.client("kinesis")
    assert status(near)["tiered_objects"] >= 3
    check(kinesis, moving, data)
    assert [record["Data"] for record in read_shard(kinesis, kept, "shardId-000000000000")] == [b"kept"]
    # A stream's objects go with it.
    kinesis.delete_stream(StreamName=moving)
    eventually(lambda: status(near)["tiered_objects"] == 0)
    if place == "directory":
        assert not list((tmp_path / "far").rglob("*.log"))
    else:
        s3 = far.client("s3", aws_access_key_id="far", aws_secret_access_key="hush")
        assert s3.list_objects_v2(Bucket="far")["KeyCount"] == 0


def test_a_tag_that_is_no_number_of_hours_is_refused(client):
    kinesis = client("kinesis")
    name = make(kinesis)
    with refused("InvalidArgumentException", "must be a whole number of hours"):
        kinesis.add_tags_to_stream(StreamName=name, Tags={"catchment.tier_after_hours": "soon"})
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == []


def test_a_tier_that_cannot_be_is_refused_at_the_start(new_server):
    for arguments, why in [
        (["--tier", "gopher://x"], "gopher:// is not"),
        (["--tier-option", "region=r"], "goes with --tier"),
        (["--tier", "s3://b", "--tier-option", "colour=red"], "no option"),
    ]:
        server = new_server(*arguments)
        with pytest.raises(AssertionError, match=why):
            server.start()
        server.killed = True
