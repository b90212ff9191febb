"""Kinesis Data Streams through boto3 against the built binary."""

import base64
import datetime
import hashlib
import itertools
import json
import os
import resource
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import BINARY, refused
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

ACCOUNT = "000000000000"
# The client then sends what it would refuse itself.
UNCHECKED = Config(parameter_validation=False)
numbers = itertools.count()


@pytest.fixture
def kinesis(client):
    return client("kinesis")


@pytest.fixture
def stream(kinesis):
    return make(kinesis)


def make(kinesis, shards=1, **more):
    name = f"stream-{os.getpid()}-{next(numbers):05}"
    kinesis.create_stream(StreamName=name, ShardCount=shards, **more)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return name


def arn(name):
    return f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{name}"


def shard_ids(kinesis, name):
    return [shard["ShardId"] for shard in kinesis.list_shards(StreamName=name)["Shards"]]


def iterator(kinesis, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **more):
    answer = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)
    return answer["ShardIterator"]


def read_shard(kinesis, name, shard, **more):
    """All records of a shard, up to the tip."""
    found, at = [], iterator(kinesis, name, shard)
    while True:
        answer = kinesis.get_records(ShardIterator=at, **more)
        found += answer["Records"]
        at = answer["NextShardIterator"]
        if answer["MillisBehindLatest"] == 0:
            return found


# Streams


def test_a_stream_is_created_described_listed_and_deleted(kinesis):
    name = make(kinesis, 3, Tags={"team": "air"})
    description = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert description["StreamARN"] == arn(name)
    assert description["StreamStatus"] == "ACTIVE"
    assert description["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert (description["RetentionPeriodHours"], description["EncryptionType"]) == (24, "NONE")
    age = datetime.datetime.now(datetime.timezone.utc) - description["StreamCreationTimestamp"]
    assert abs(age) < datetime.timedelta(minutes=1)
    summary = kinesis.describe_stream_summary(StreamARN=arn(name))["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["ConsumerCount"], summary["StreamName"]) == (3, 0, name)
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "team", "Value": "air"}]
    assert name in kinesis.list_streams(Limit=1000)["StreamNames"]
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.delete_stream(StreamName=name)
    with refused("ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found."):
        kinesis.describe_stream(StreamName=name)
    with refused("ResourceNotFoundException"):
        kinesis.delete_stream(StreamARN=arn(name))


def test_shards_divide_the_hash_keys_evenly(kinesis):
    name = make(kinesis, 3)
    ranges = [shard["HashKeyRange"] for shard in kinesis.list_shards(StreamName=name)["Shards"]]
    assert [(r["StartingHashKey"], r["EndingHashKey"]) for r in ranges] == [
        ("0", "113427455640312821154458202477256070484"),
        ("113427455640312821154458202477256070485", "226854911280625642308916404954512140969"),
        ("226854911280625642308916404954512140970", "340282366920938463463374607431768211455"),
    ]


def test_streams_are_listed_page_by_page(kinesis):
    names = sorted(make(kinesis) for _ in range(5))
    found = [name for page in kinesis.get_paginator("list_streams").paginate(Limit=2) for name in page["StreamNames"]]
    assert found == sorted(found)
    assert set(names) <= set(found)
    page = kinesis.list_streams(ExclusiveStartStreamName=names[2], Limit=1)
    assert page["StreamNames"] == [names[3]]
    assert page["StreamSummaries"][0]["StreamARN"] == arn(names[3])
    assert kinesis.list_streams(NextToken=page["NextToken"], Limit=1)["StreamNames"] == [names[4]]
    with refused("InvalidArgumentException"):
        kinesis.list_streams(NextToken="nonsense")


def test_describe_stream_and_list_shards_page_through_shards(kinesis):
    name = make(kinesis, 7)
    pages = kinesis.get_paginator("describe_stream").paginate(StreamName=name, PaginationConfig={"PageSize": 3})
    described = [shard["ShardId"] for page in pages for shard in page["StreamDescription"]["Shards"]]
    listed, answer = [], kinesis.list_shards(StreamName=name, MaxResults=2)
    while True:
        listed += [shard["ShardId"] for shard in answer["Shards"]]
        if "NextToken" not in answer:
            break
        answer = kinesis.list_shards(NextToken=answer["NextToken"], MaxResults=2)
    assert described == listed == [f"shardId-{n:012}" for n in range(7)]
    after = kinesis.list_shards(StreamName=name, ExclusiveStartShardId=listed[4])["Shards"]
    assert [shard["ShardId"] for shard in after] == listed[5:]
    for kind in ["AT_LATEST", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON"]:
        assert len(kinesis.list_shards(StreamName=name, ShardFilter={"Type": kind})["Shards"]) == 7
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    with refused("InvalidArgumentException", "NextToken and StreamName cannot be provided together."):
        kinesis.list_shards(StreamName=name, NextToken=token)


def test_on_demand_streams_begin_with_four_shards_and_modes_change(kinesis):
    name = f"on-demand-{next(numbers)}"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert len(shard_ids(kinesis, name)) == 4
    limits = kinesis.describe_limits()
    assert limits["OnDemandStreamCount"] >= 1 and limits["OpenShardCount"] >= 4
    kinesis.update_stream_mode(StreamARN=arn(name), StreamModeDetails={"StreamMode": "PROVISIONED"})
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    with refused("InvalidArgumentException", "ShardCount"):
        kinesis.create_stream(StreamName="x", ShardCount=1, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    with refused("InvalidArgumentException", "ShardCount"):
        kinesis.create_stream(StreamName="x")


def test_names_that_are_none_are_refused(client):
    kinesis = client("kinesis", config=UNCHECKED)
    for name in ["", "a b", "a/b", "x" * 129, "ümlaut"]:
        with refused("ValidationException", "at 'streamName' failed to satisfy constraint"):
            kinesis.create_stream(StreamName=name, ShardCount=1)
    with refused("ValidationException", "at 'shardCount' failed to satisfy constraint"):
        kinesis.create_stream(StreamName="zero", ShardCount=0)
    with refused("LimitExceededException"):
        kinesis.create_stream(StreamName="many", ShardCount=10_001)
    with refused("InvalidArgumentException"):
        kinesis.describe_stream()
    with refused("InvalidArgumentException"):
        kinesis.describe_stream(StreamName="a", StreamARN=arn("b"))
    with refused("ResourceNotFoundException"):
        kinesis.describe_stream(StreamARN=f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream/a")


def test_retention_is_raised_and_lowered_within_bounds(kinesis, stream):
    hours = lambda: kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["RetentionPeriodHours"]
    kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=168)
    assert hours() == 168
    with refused("InvalidArgumentException", "can not be shorter than existing retention period (168 hours)"):
        kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=100)
    kinesis.decrease_stream_retention_period(StreamARN=arn(stream), RetentionPeriodHours=48)
    assert hours() == 48
    with refused("InvalidArgumentException", "can not be longer than existing retention period (48 hours)"):
        kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=49)
    with refused("InvalidArgumentException", "Minimum allowed retention period is 24 hours."):
        kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=23)
    with refused("InvalidArgumentException", "Maximum allowed retention period is 8760 hours."):
        kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=8761)
    with refused("ResourceNotFoundException"):
        kinesis.increase_stream_retention_period(StreamName="no-such-stream", RetentionPeriodHours=48)
    assert hours() == 48


def test_tags_are_added_listed_and_removed_both_ways(kinesis, stream):
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"a": "1", "b": "2"})
    kinesis.tag_resource(ResourceARN=arn(stream), Tags={"b": "3", "c": ""})
    expected = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}]
    assert kinesis.list_tags_for_resource(ResourceARN=arn(stream))["Tags"] == expected
    first = kinesis.list_tags_for_stream(StreamName=stream, Limit=2)
    assert (first["Tags"], first["HasMoreTags"]) == (expected[:2], True)
    rest = kinesis.list_tags_for_stream(StreamName=stream, ExclusiveStartTagKey="b")
    assert (rest["Tags"], rest["HasMoreTags"]) == (expected[2:], False)
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["a", "not there"])
    kinesis.untag_resource(ResourceARN=arn(stream), TagKeys=["c"])
    assert kinesis.list_tags_for_stream(StreamARN=arn(stream))["Tags"] == expected[1:2]
    with refused("InvalidArgumentException", "cannot have more than 50 tags"):
        kinesis.add_tags_to_stream(StreamName=stream, Tags={f"t{n}": "" for n in range(50)})
    with refused("InvalidArgumentException"):
        kinesis.add_tags_to_stream(StreamName=stream, Tags={"aws:x": "1"})
    assert kinesis.list_tags_for_stream(StreamName=stream)["Tags"] == expected[1:2]


# Records


def test_records_come_back_in_order_with_numbers_that_grow(kinesis):
    name = make(kinesis, 4)
    expected = {}
    for n in range(40):
        key, data = f"key-{n % 7}", f"record {n}".encode()
        answer = kinesis.put_record(StreamName=name, PartitionKey=key, Data=data)
        expected.setdefault(answer["ShardId"], []).append((answer["SequenceNumber"], key, data))
    entries = [{"PartitionKey": f"key-{n % 7}", "Data": f"many {n}".encode()} for n in range(500)]
    answer = kinesis.put_records(StreamARN=arn(name), Records=entries)
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 500
    for entry, result in zip(entries, answer["Records"]):
        expected[result["ShardId"]].append((result["SequenceNumber"], entry["PartitionKey"], entry["Data"]))
    for shard in shard_ids(kinesis, name):
        found = read_shard(kinesis, name, shard, Limit=37)
        assert [(r["SequenceNumber"], r["PartitionKey"], r["Data"]) for r in found] == expected.get(shard, [])
        numbers = [int(r["SequenceNumber"]) for r in found]
        assert numbers == sorted(set(numbers))
        assert all(len(r["SequenceNumber"]) == 56 for r in found)


def test_a_key_goes_to_the_shard_of_its_md5(kinesis):
    name = make(kinesis, 5)
    ranges = [(s["ShardId"], s["HashKeyRange"]) for s in kinesis.list_shards(StreamName=name)["Shards"]]

    def shard_of(number):
        return next(i for i, r in ranges if int(r["StartingHashKey"]) <= number <= int(r["EndingHashKey"]))

    for key in ["a", "ключ", "🛫", "x" * 256, "🛫" * 128]:
        wanted = shard_of(int(hashlib.md5(key.encode()).hexdigest(), 16))
        assert kinesis.put_record(StreamName=name, PartitionKey=key, Data=b"")["ShardId"] == wanted
        assert kinesis.put_records(StreamName=name, Records=[{"PartitionKey": key, "Data": b""}])["Records"][0]["ShardId"] == wanted
        assert read_shard(kinesis, name, wanted)[-1]["PartitionKey"] == key
    for shard, r in ranges:
        for edge in (r["StartingHashKey"], r["EndingHashKey"]):
            answer = kinesis.put_record(StreamName=name, PartitionKey="same", ExplicitHashKey=edge, Data=b"x")
            assert answer["ShardId"] == shard


def test_data_of_any_bytes_and_of_the_largest_size_survives(kinesis, stream):
    payloads = [b"", b"\0", bytes(range(256)), "größe".encode(), os.urandom(100_000), os.urandom(1024 * 1024 - 1)]
    for data in payloads:
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=data)
    assert [r["Data"] for r in read_shard(kinesis, stream, "shardId-000000000000")] == payloads


def test_records_that_break_a_bound_are_refused_and_nothing_is_written(client, stream):
    kinesis = client("kinesis", config=UNCHECKED)
    put = lambda **more: kinesis.put_record(**{"StreamName": stream, "PartitionKey": "k", "Data": b"x", **more})
    with refused("ValidationException", "'partitionKey'"):
        put(PartitionKey="")
    with refused("ValidationException", "'partitionKey'"):
        put(PartitionKey="k" * 257)
    with refused("ValidationException", "'data'"):
        put(Data=b"x" * (1024 * 1024))
    with refused("InvalidArgumentException", "ExplicitHashKey must be in the range: [0, 2^128-1]"):
        put(ExplicitHashKey=str(2**128))
    with refused("ValidationException", "'explicitHashKey'"):
        put(ExplicitHashKey="-1")
    with refused("InvalidArgumentException", "ExclusiveMinimumSequenceNumber 12 used in PutRecord"):
        put(SequenceNumberForOrdering="12")
    with refused("ResourceNotFoundException", "Stream none under account"):
        put(StreamName="none")
    with refused("ValidationException", "'records'"):
        kinesis.put_records(StreamName=stream, Records=[])
    with refused("ValidationException", "'records'"):
        kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": "k", "Data": b"x"}] * 501)
    with refused("ValidationException", "'records.2.member.partitionKey'"):
        kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": "k", "Data": b"x"}, {"Data": b"x"}])
    with refused("InvalidArgumentException", "10 MB"):
        kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": "k", "Data": b"x" * 1_000_000}] * 11)
    assert read_shard(kinesis, stream, "shardId-000000000000") == []


@pytest.mark.parametrize(
    "body, code",
    [
        ("", "SerializationException"),
        ("{", "SerializationException"),
        ("[]", "SerializationException"),
        ('{"StreamName": 5, "Data": "eA==", "PartitionKey": "k"}', "SerializationException"),
        ('{"StreamName": "STREAM", "Data": "!", "PartitionKey": "k"}', "SerializationException"),
        ('{"StreamName": "STREAM", "Data": "eA==", "PartitionKey": "k"} x', "SerializationException"),
        ('{"StreamName": "STREAM", "PartitionKey": "k"}', "ValidationException"),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(endpoint, kinesis, stream, body, code):
    if body == "":
        code = "ValidationException"
    status, answer = raw(endpoint, "Kinesis_20131202.PutRecord", body.replace("STREAM", stream))
    assert status == 400 and answer["__type"].endswith(code), answer
    assert read_shard(kinesis, stream, "shardId-000000000000") == []


def raw(endpoint, target, body):
    request = urllib.request.Request(
        endpoint, body.encode(), {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_bodies_out_of_the_ordinary_are_taken(endpoint, kinesis, stream):
    key, data = "tab\t\"quoted\" ü", base64.b64encode(b"payload?>").decode()
    body = json.dumps({"Unknown": [1], "PartitionKey": key, "Data": data, "StreamName": stream}, indent=3)
    body = body.replace("/", "\\/")
    status, answer = raw(endpoint, "Kinesis_20131202.PutRecord", body)
    assert status == 200 and answer["ShardId"] == "shardId-000000000000"
    (record,) = read_shard(kinesis, stream, "shardId-000000000000")
    assert (record["PartitionKey"], record["Data"]) == (key, b"payload?>")


def test_sequence_number_for_ordering_is_taken(kinesis, stream):
    last = None
    for n in range(5):
        more = {"SequenceNumberForOrdering": last} if last else {}
        answer = kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x", **more)
        assert last is None or int(answer["SequenceNumber"]) > int(last)
        last = answer["SequenceNumber"]


# Reading


def test_all_kinds_of_iterator_begin_where_they_say(kinesis, stream):
    sequences = []
    for n in range(3):
        sequences.append(kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"%d" % n)["SequenceNumber"])
    second = read_shard(kinesis, stream, "shardId-000000000000")[1]["ApproximateArrivalTimestamp"]
    latest = iterator(kinesis, stream, kind="LATEST")

    def found(kind, **more):
        at = iterator(kinesis, stream, kind=kind, **more)
        return [r["Data"] for r in kinesis.get_records(ShardIterator=at)["Records"]]

    assert found("TRIM_HORIZON") == [b"0", b"1", b"2"]
    assert found("AT_SEQUENCE_NUMBER", StartingSequenceNumber=sequences[1]) == [b"1", b"2"]
    assert found("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=sequences[1]) == [b"2"]
    assert b"1" in found("AT_TIMESTAMP", Timestamp=second)
    assert found("AT_TIMESTAMP", Timestamp=1) == [b"0", b"1", b"2"]
    assert found("LATEST") == []
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"3")
    assert [r["Data"] for r in kinesis.get_records(ShardIterator=latest)["Records"]] == [b"3"]


def test_arrival_times_carry_milliseconds_and_do_not_decrease(kinesis, stream):
    for n in range(20):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    times = [r["ApproximateArrivalTimestamp"] for r in read_shard(kinesis, stream, "shardId-000000000000")]
    assert times == sorted(times)
    assert any(t.microsecond % 1_000_000 for t in times)


def test_iterators_that_are_wrong_are_refused(client, kinesis, stream):
    other = make(kinesis, 2)
    theirs = kinesis.put_record(StreamName=other, PartitionKey="k", ExplicitHashKey=str(2**128 - 1), Data=b"x")
    with refused("InvalidArgumentException", "and no StartingSequenceNumber"):
        iterator(kinesis, stream, kind="AT_SEQUENCE_NUMBER")
    with refused("InvalidArgumentException", "and also a StartingSequenceNumber"):
        iterator(kinesis, stream, kind="LATEST", StartingSequenceNumber=theirs["SequenceNumber"])
    with refused("InvalidArgumentException", "It encodes shardId-000000000001"):
        iterator(kinesis, stream, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=theirs["SequenceNumber"])
    with refused("InvalidArgumentException", "no timestamp parameter"):
        iterator(kinesis, stream, kind="AT_TIMESTAMP")
    with refused("InvalidArgumentException", "cannot be greater than"):
        iterator(kinesis, stream, kind="AT_TIMESTAMP", Timestamp=time.time() + 100)
    with refused("ResourceNotFoundException", "Shard shardId-000000000009 in stream"):
        iterator(kinesis, stream, shard="shardId-000000000009")
    with refused("InvalidArgumentException", "Invalid ShardIterator."):
        kinesis.get_records(ShardIterator="AAAA")
    gone = iterator(kinesis, other)
    kinesis.delete_stream(StreamName=other)
    with refused("ResourceNotFoundException"):
        kinesis.get_records(ShardIterator=gone)
    with refused("ValidationException", "'limit'"):
        client("kinesis", config=UNCHECKED).get_records(ShardIterator=iterator(kinesis, stream), Limit=10_001)


def test_millis_behind_latest_tells_the_distance_to_the_tip(kinesis, stream):
    for n in range(3):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    time.sleep(0.3)
    first = kinesis.get_records(ShardIterator=iterator(kinesis, stream), Limit=1)
    assert 250 <= first["MillisBehindLatest"] < 30_000
    rest = kinesis.get_records(ShardIterator=first["NextShardIterator"])
    assert (len(rest["Records"]), rest["MillisBehindLatest"]) == (2, 0)
    empty = kinesis.get_records(ShardIterator=rest["NextShardIterator"])
    assert (empty["Records"], empty["MillisBehindLatest"]) == ([], 0)


def test_one_call_reads_at_most_ten_mebibytes(kinesis, stream):
    data = os.urandom(900_000)
    for _ in range(14):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=data)
    first = kinesis.get_records(ShardIterator=iterator(kinesis, stream))
    assert 0 < sum(len(r["Data"]) + 1 for r in first["Records"]) <= 10 * 1024 * 1024
    assert len(read_shard(kinesis, stream, "shardId-000000000000")) == 14


def test_accounts_and_regions_do_not_see_each_other(client, stream):
    for more in [{"aws_access_key_id": "111111111111"}, {"region_name": "eu-west-1"}]:
        assert stream not in client("kinesis", **more).list_streams(Limit=1000)["StreamNames"]


def test_dry_run_changes_nothing(kinesis, stream):
    with refused("DryRunOperationException"):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x", DryRun=True)
    assert read_shard(kinesis, stream, "shardId-000000000000") == []


# What lasts


def test_everything_is_there_after_a_restart_and_reading_goes_on(server):
    kinesis = server.client("kinesis")
    name = make(kinesis, 2, Tags={"team": "air"})
    for n in range(50):
        kinesis.put_record(StreamName=name, PartitionKey=str(n), Data=b"%d" % n)
    shard = shard_ids(kinesis, name)[0]
    half = kinesis.get_records(ShardIterator=iterator(kinesis, name, shard), Limit=5)
    before = {shard: read_shard(kinesis, name, shard) for shard in shard_ids(kinesis, name)}
    server.restart()
    kinesis = server.client("kinesis")
    assert {shard: read_shard(kinesis, name, shard) for shard in shard_ids(kinesis, name)} == before
    rest = kinesis.get_records(ShardIterator=half["NextShardIterator"])["Records"]
    assert half["Records"] + rest == before[shard]
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "team", "Value": "air"}]
    again = kinesis.put_record(StreamName=name, PartitionKey="0", Data=b"more")
    assert int(again["SequenceNumber"]) > max(int(r["SequenceNumber"]) for r in before[again["ShardId"]])


def test_what_was_acknowledged_survives_kill_9(server):
    kinesis = server.client("kinesis")
    name = make(kinesis, 3)
    acknowledged = {}
    for round_ in range(3):
        stop, lock = threading.Event(), threading.Lock()

        def write(writer, client):
            n = 0
            while not stop.is_set():
                entries = [
                    {"PartitionKey": f"{writer}-{k % 5}", "Data": f"{round_}/{writer}/{n}/{k}".encode() + b"." * (k * 97)}
                    for k in range(1 + n % 20)
                ]
                try:
                    answer = client.put_records(StreamName=name, Records=entries)
                except (EndpointConnectionError, HTTPClientError, ClientError):
                    return
                with lock:
                    for entry, result in zip(entries, answer["Records"]):
                        place = (result["ShardId"], result["SequenceNumber"])
                        assert place not in acknowledged
                        acknowledged[place] = entry["Data"]
                n += 1

        writers = [threading.Thread(target=write, args=(w, server.client("kinesis"))) for w in range(4)]
        for writer in writers:
            writer.start()
        before = len(acknowledged)
        while len(acknowledged) < before + 500:
            time.sleep(0.01)
        server.kill()
        stop.set()
        for writer in writers:
            writer.join()
        server.start()
        kinesis = server.client("kinesis")
        found = {}
        for shard in shard_ids(kinesis, name):
            records = read_shard(kinesis, name, shard)
            sequences = [int(r["SequenceNumber"]) for r in records]
            assert sequences == sorted(set(sequences))
            for record in records:
                found[shard, record["SequenceNumber"]] = record["Data"]
        lost = [place for place, data in acknowledged.items() if found.get(place) != data]
        assert not lost, f"round {round_}: {len(lost)} of {len(acknowledged)} are lost, such as {lost[0]}"
        assert len(set(found.values())) == len(found), "a record is there twice"


def test_a_full_disk_refuses_writes_loses_nothing_and_recovers(new_server):
    """The process may make files of less than a record only, which the log takes for a full disk."""
    server = new_server()
    command = [BINARY, "serve", "--listen", f"127.0.0.1:{server.port}", "--data-dir", str(server.data_dir)]
    # With the signal ignored, as Python has it, a write beyond the limit is an error and does not end the process.
    server.process = subprocess.Popen(command, restore_signals=False)
    server.wait_until_ready()
    kinesis = server.client("kinesis")
    name = make(kinesis)
    no_limit = resource.RLIM_INFINITY
    written, data = 1, os.urandom(500_000)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (400_000, no_limit))
    with pytest.raises(ClientError) as error:
        for _ in range(300):
            kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
            written += 1
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "full" in error.value.response["Error"]["Message"]
    count = lambda: len(read_shard(kinesis, name, "shardId-000000000000"))
    assert count() == written
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    assert count() == written + 1
    server.kill()
    server.start()
    assert count() == written + 1


# The command line client


def test_the_aws_cli_puts_and_reads(aws, kinesis, stream):
    answer = json.loads(aws("kinesis", "put-record", "--stream-name", stream, "--partition-key", "k", "--data", "hello"))
    assert answer["ShardId"] == "shardId-000000000000"
    at = json.loads(
        aws(
            "kinesis", "get-shard-iterator", "--stream-name", stream, "--shard-id", "shardId-000000000000",
            "--shard-iterator-type", "TRIM_HORIZON",
        )
    )["ShardIterator"]
    records = json.loads(aws("kinesis", "get-records", "--shard-iterator", at))["Records"]
    assert base64.b64decode(records[0]["Data"]) == b"hello"
    failed = aws("kinesis", "describe-stream", "--stream-name", "none", check=False)
    assert "ResourceNotFoundException" in failed.stderr
