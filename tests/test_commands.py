"""Our own commands that speak to a running server: put, tail, streams."""

import functools
import json
import subprocess
import threading

from botocore.config import Config
from conftest import BINARY, eventually, refused
from test_server import run
from test_kinesis import arn, kinesis, make, read_shard, shard_ids, stream  # noqa: F401

SHARD = "shardId-000000000000"
# Without retries, which would hide what is refused.
UNTIRING = Config(retries={"total_max_attempts": 1})


def command(server, *arguments, **more):
    return run(*arguments, "--endpoint", f"http://127.0.0.1:{server.port}", **more)


def everything(kinesis, name):
    return [record for shard in shard_ids(kinesis, name) for record in read_shard(kinesis, name, shard)]


def test_lines_of_files_and_of_standard_input_become_records(kinesis, shared_server, tmp_path):
    name = make(kinesis, 3)
    lines = [json.dumps({"user": f"u{n % 5}", "n": n}) for n in range(1234)]
    file = tmp_path / "lines.json"
    file.write_text("\n".join(lines[:1000]) + "\r\n\n")
    done = command(shared_server, "put", name, str(file))
    assert "1,000 records" in done.stderr and "records/s" in done.stderr, done.stderr
    piped = [BINARY, "put", name, "--key-member", "user", "--endpoint", f"http://127.0.0.1:{shared_server.port}"]
    subprocess.run(piped, input="\n".join(lines[1000:]), text=True, check=True, capture_output=True)
    records = everything(kinesis, name)
    assert sorted(record["Data"].decode() for record in records) == sorted(lines)
    assert all(record["PartitionKey"] == json.loads(record["Data"])["user"] for record in records if json.loads(record["Data"])["n"] >= 1000)
    assert len({record["PartitionKey"] for record in records}) > 900, "records without a key get one each"


def test_what_cannot_be_put_is_said(kinesis, stream, shared_server, tmp_path):
    file = tmp_path / "bad.txt"
    file.write_text('{"a": 1}\nnot json\n')
    done = command(shared_server, "put", stream, str(file), "--key-member", "a", check=False)
    assert done.returncode == 1 and "bad.txt, line 2" in done.stderr and "no JSON" in done.stderr, done.stderr
    assert "1 records" in done.stderr and [record["Data"] for record in everything(kinesis, stream)] == [b'{"a": 1}']
    done = command(shared_server, "put", "nobody", str(file), check=False)
    assert done.returncode == 1 and "ResourceNotFoundException" in done.stderr, done.stderr
    done = command(shared_server, "put", stream, str(tmp_path / "missing"), check=False)
    assert done.returncode == 1 and "could not open" in done.stderr, done.stderr
    for endpoint, why in (("127.0.0.1:4566", "does not begin with http://"), ("http://a b", "is no endpoint"), ("https://localhost:1", "plain HTTP")):
        done = subprocess.run([BINARY, "put", stream, str(file), "--endpoint", endpoint], capture_output=True, text=True)
        assert done.returncode == 1 and why in done.stderr, done.stderr


def test_put_calls_again_and_tells_what_was_left(kinesis, server, tmp_path):
    kinesis = server.client("kinesis")
    kinesis.create_stream(StreamName="lines", ShardCount=2)
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"{n}\n" for n in range(2000)))
    fault = ["faults", "add", "--operation", "PutRecords", "--error"]
    command(server, *fault, "ProvisionedThroughputExceededException", "--each-record", "--rate", "0.2", "--count", "300")
    command(server, *fault, "ServiceUnavailableException", "--count", "3")
    done = command(server, "put", "lines", str(file))
    assert "2,000 records" in done.stderr, done.stderr
    command(server, "faults", "clear")
    assert sorted(int(record["Data"]) for record in everything(kinesis, "lines")) == list(range(2000))
    command(server, *fault, "AccessDeniedException", "--rate", "1")
    done = command(server, "put", "lines", str(file), "--ordered", check=False)
    assert done.returncode == 1 and "0 records" in done.stderr and "AccessDeniedException" in done.stderr, done.stderr
    assert "500 records of" in done.stderr and "lines.txt, line 1 to 500 were not put" in done.stderr, done.stderr


def test_tail_prints_what_is_there_and_ends_where_asked(kinesis, stream, shared_server):
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b'{"a": [1, 2]}')
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"text")
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"\xff\x00")
    tail = lambda *more: command(shared_server, "tail", stream, "--from", "oldest", "--no-follow", *more).stdout
    first, second, third = map(json.loads, tail().splitlines())
    assert first["data"] == {"a": [1, 2]} and first["partition_key"] == "k" and first["shard"] == "shardId-000000000000"
    assert first["arrived"].endswith("Z") and first["sequence_number"] < second["sequence_number"]
    assert second["data"] == "text" and third["base64"] == "/wA="
    assert tail("--raw", "--count", "2") == '{"a": [1, 2]}\ntext\n'
    assert '\n  "data": {\n' in tail("--pretty", "--count", "1")
    assert len(command(shared_server, "tail", stream, "--from", "1h", "--no-follow").stdout.splitlines()) == 3
    assert command(shared_server, "tail", stream, "--no-follow").stdout == ""
    for arguments, text in (([stream, "--from", "whenever"], "no place to begin"), (["nobody"], "ResourceNotFoundException")):
        done = command(shared_server, "tail", *arguments, check=False)
        assert done.returncode == 1 and text in done.stderr, done.stderr


def test_tail_follows_a_stream_through_a_split(kinesis, stream, shared_server):
    endpoint = ["--endpoint", f"http://127.0.0.1:{shared_server.port}"]
    tail = subprocess.Popen([BINARY, "tail", stream, "--from", "oldest", "--raw", *endpoint], stdout=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(tail.stdout.readline, "")))
    reader.start()
    put = lambda n: kinesis.put_record(StreamName=stream, PartitionKey=f"k{n}", Data=b"%d" % n)
    for n in range(10):
        put(n)
    eventually(lambda: len(lines) == 10)
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    for n in range(10, 30):
        put(n)
    eventually(lambda: len(lines) == 30)
    tail.terminate()
    tail.wait(30)
    reader.join(30)
    assert sorted(map(int, lines)) == list(range(30))


def test_streams_are_shown_in_a_table(server):
    kinesis = server.client("kinesis")
    assert "stream" in command(server, "streams").stdout
    make(kinesis, 2)
    name = make(kinesis, 3)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"x" * 1000)
    row = next(line for line in command(server, "streams").stdout.splitlines() if name in line)
    assert row.split()[:5] == [name, "us-east-1", "ACTIVE", "PROVISIONED", "3"] and "24 h" in row and "ago" in row
    shown = json.loads(command(server, "streams", "--json").stdout)
    assert [stream["records"] for stream in shown] == [0, 1] and shown[1]["oldest_ms"] > 0


def test_states_pass_when_told_to(new_server):
    server = new_server("--state-delay-ms=1500").start()
    kinesis = server.client("kinesis")
    status = lambda: kinesis.describe_stream_summary(StreamName="slow")["StreamDescriptionSummary"]["StreamStatus"]
    kinesis.create_stream(StreamName="slow", ShardCount=1)
    assert status() == "CREATING"
    eventually(lambda: status() == "ACTIVE")
    kinesis.update_shard_count(StreamName="slow", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert status() == "UPDATING"
    try:
        kinesis.update_shard_count(StreamName="slow", TargetShardCount=3, ScalingType="UNIFORM_SCALING")
        raise AssertionError("a stream that is updating was updated")
    except kinesis.exceptions.ResourceInUseException as error:
        assert "not ACTIVE, instead in state UPDATING" in str(error)
    kinesis.put_record(StreamName="slow", PartitionKey="k", Data=b"while updating")
    server.kill()
    server.start()
    eventually(lambda: status() == "ACTIVE")
    assert kinesis.describe_stream_summary(StreamName="slow")["StreamDescriptionSummary"]["OpenShardCount"] == 2
    consumer = kinesis.register_stream_consumer(StreamARN=arn("slow"), ConsumerName="c")["Consumer"]
    assert consumer["ConsumerStatus"] == "CREATING"
    described = lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]
    eventually(lambda: described()["ConsumerStatus"] == "ACTIVE")
    kinesis.delete_stream(StreamName="slow", EnforceConsumerDeletion=True)
    assert status() == "DELETING"
    eventually(lambda: kinesis.list_streams()["StreamNames"] == [])


def test_quotas_hold_where_they_are_asked_for(new_server):
    server = new_server("--limits=aws").start()
    kinesis = server.client("kinesis", config=UNTIRING)
    kinesis.create_stream(StreamName="s", ShardCount=1)
    with refused("LimitExceededException", "Rate exceeded for account"):
        for _ in range(50):
            kinesis.list_streams()
    with refused("LimitExceededException", "Rate exceeded for stream s under account"):
        for _ in range(100):
            kinesis.describe_stream(StreamName="s")
    records = [{"PartitionKey": "k", "Data": b"x" * 3000} for _ in range(500)]
    answer = kinesis.put_records(StreamName="s", Records=records)
    failed = [record for record in answer["Records"] if "ErrorCode" in record]
    assert answer["FailedRecordCount"] == len(failed) and 100 < len(failed) < 200, len(failed)
    assert failed[0]["ErrorCode"] == "ProvisionedThroughputExceededException"
    assert failed[0]["ErrorMessage"].startswith("Rate exceeded for shard shardId-000000000000 in stream s under account")
    assert "SequenceNumber" not in failed[0] and "ErrorCode" not in answer["Records"][0]
    iterator = kinesis.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    try:
        for _ in range(50):
            iterator = kinesis.get_records(ShardIterator=iterator, Limit=1)["NextShardIterator"]
        raise AssertionError("the shard was read fifty times at once")
    except kinesis.exceptions.ProvisionedThroughputExceededException as error:
        assert "Rate exceeded for shard shardId-000000000000" in str(error)


def test_faults_hit_what_they_name_and_are_shown(server):
    kinesis = server.client("kinesis", config=UNTIRING)
    name, other = make(kinesis), make(kinesis)
    put = lambda stream, **more: kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x", **more)
    add = lambda *flags: command(server, "faults", "add", *flags).stdout
    error = ["--error", "ProvisionedThroughputExceededException"]
    assert "fault 1 is set" in add("--operation", "PutRecord", "--stream", name, *error, "--message", "Slow down.", "--count", "2")
    put(other)
    for _ in range(2):
        with refused("ProvisionedThroughputExceededException", "Slow down."):
            put(name)
    put(name)
    assert read_shard(kinesis, other, SHARD) and len(read_shard(kinesis, name, SHARD)) == 1, "what failed was not written"
    add("--operation", "GetRecords", "--stream", name, "--error", "InternalFailureException")
    read_shard(kinesis, other, SHARD)
    with refused("InternalFailureException"):
        read_shard(kinesis, name, SHARD)
    row = next(line for line in command(server, "faults").stdout.splitlines() if "PutRecord" in line)
    assert row.split() == ["1", "kinesis", "PutRecord", name, error[1], "1.0", "0", "ms", "0", "2"]
    assert "1 cleared" in command(server, "faults", "clear", "2").stdout
    read_shard(kinesis, name, SHARD)
    add("--operation", "ListStreams", "--rate", "0.5", "--error", "LimitExceededException")
    outcomes = set()
    for _ in range(100):
        try:
            kinesis.list_streams()
            outcomes.add("done")
        except kinesis.exceptions.LimitExceededException:
            outcomes.add("failed")
    assert outcomes == {"done", "failed"}
    assert "2 cleared" in command(server, "faults", "clear").stdout
    kinesis.list_streams()
    for flags, text in ((["--operation", "Nope", *error], "no operation"), (["--rate", "2", *error], "0 to 1"), ([], "--error, --delay-ms or both"), (["--count", "0", *error], "not in 1..")):
        done = command(server, "faults", "add", *flags, check=False)
        assert done.returncode in (1, 2) and text in done.stderr, done.stderr


def test_servers_with_access_keys_take_no_faults(new_server):
    server = new_server("--access-key=id:secret-secret-secret").start()
    done = command(server, "faults", check=False)
    assert done.returncode == 1 and "without access keys only" in done.stderr, done.stderr


def test_faults_hit_single_records(kinesis, shared_server):
    name = make(kinesis, 2)
    catchment = functools.partial(command, shared_server)
    fault = ["--operation", "PutRecords", "--stream", name, "--error", "ProvisionedThroughputExceededException", "--each-record"]
    catchment("faults", "add", *fault, "--rate", "0.5", "--count", "40")
    records = [{"Data": b"%d" % n, "PartitionKey": f"{n}"} for n in range(200)]
    answer = kinesis.put_records(StreamName=name, Records=records)
    failed = [n for n, result in enumerate(answer["Records"]) if "ErrorCode" in result]
    assert answer["FailedRecordCount"] == len(failed) == 40 and len(answer["Records"]) == 200
    assert {answer["Records"][n]["ErrorCode"] for n in failed} == {"ProvisionedThroughputExceededException"}
    number = {record["SequenceNumber"]: int(record["Data"]) for record in everything(kinesis, name)}
    assert sorted(number.values()) == [n for n in range(200) if n not in failed]
    assert all(number[result["SequenceNumber"]] == n for n, result in enumerate(answer["Records"]) if n not in failed)
    assert kinesis.put_records(StreamName=name, Records=records)["FailedRecordCount"] == 0, "used up"
    refused = catchment("faults", "add", "--operation", "PutRecord", "--error", "X", "--each-record", check=False)
    assert refused.returncode != 0 and "PutRecords or PutRecordBatch" in refused.stderr
