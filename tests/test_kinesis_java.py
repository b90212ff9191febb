"""Kinesis through the Java SDK and parts of the Kinesis Client Library, whose programs are in java/.

The SDK speaks CBOR to Kinesis and HTTP/2, which no other SDK here does.
"""

import base64
import hashlib
import os
import subprocess

import pytest
from conftest import eventually
from java_programs import class_path
from test_commands import command
from test_kinesis import kinesis, numbers, read_shard, stream  # noqa: F401
from test_kinesis_shards import Subscriber, consumer  # noqa: F401

CBOR, JSON, EVENTS = "application/x-amz-cbor-1.1", "application/x-amz-json-1.1", "application/vnd.amazon.eventstream"
# The first run downloads the SDK.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def programs():
    return class_path("java")


@pytest.fixture
def java(programs, shared_server):
    """Runs a scenario and returns what it says, as a dict. The scenario checks what it sees itself."""

    def run(scenario, name, *more, tls=False, cbor=True, http2=True):
        endpoint = shared_server.endpoint.replace("http:", "https:" if tls else "http:")
        # Quick to start, small: the JVM is there for seconds.
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        if not cbor:
            options.append("-Daws.cborEnabled=false")
        if not http2:
            options.append("-Dhttp=HTTP1_1")
        program = ["java", *options, "-cp", programs, "catchment.Main", scenario, endpoint, name, *more]
        done = subprocess.run(program, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done.stdout + done.stderr
        said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        assert int(said["calls"]) > 0 and said["calls by HTTP/2"] == (said["calls"] if http2 else "0")
        for what, types in said.items():
            if what.startswith(("asked ", "answered ")):
                # The SDK speaks JSON where events are streamed; test_protocol.py has events in CBOR.
                is_pushed = what.endswith(" SubscribeToShard")
                assert set(types.split(",")) - {EVENTS} <= {CBOR if cbor and not is_pushed else JSON}, (what, types)
                assert (EVENTS in types) == (what == "answered SubscribeToShard"), (what, types)
        return said

    return run


@pytest.fixture
def name():
    """The name of a stream that the scenario is to create."""
    return f"java-{os.getpid()}-{next(numbers):05}"


wires = pytest.mark.parametrize("wire", [{}, {"cbor": False}, {"tls": True}, {"http2": False}], ids=["cbor", "json", "tls", "http1"])


@wires
def test_records_go_in_and_out(java, name, wire):
    said = java("round-trip", name, **wire)
    assert {what for what in said if what.startswith("answered ")} >= {
        f"answered {operation}" for operation in ("CreateStream", "PutRecord", "PutRecords", "GetShardIterator", "GetRecords")
    }


@wires
def test_fan_out_pushes_records_as_they_come(java, name, wire):
    said = java("fan-out", name, **wire)
    # The eight large records are too many for one event.
    assert int(said["events"]) >= 3 and "answered SubscribeToShard" in said


@pytest.mark.parametrize("how", ["fan-out", "polling", "kcl-fan-out", "kcl-polling"])
def test_a_consumer_follows_a_split_and_a_merge_under_a_running_producer(java, name, how):
    java("resharding", name, how)


def test_the_shards_that_are_listed_satisfy_the_client_library(java, name):
    java("leases", name)


@pytest.fixture
def faulty(shared_server, name):
    """Makes the next calls of an operation on the stream fail."""

    def fail(operation, error, message, count):
        flags = ["--operation", operation, "--stream", name, "--error", error, "--message", message, "--count", str(count)]
        command(shared_server, "faults", "add", *flags)

    yield fail
    command(shared_server, "faults", "clear")


@wires
def test_errors_are_the_classes_that_the_sdk_has_for_them(java, name, faulty, wire):
    faulty("PutRecord", "ProvisionedThroughputExceededException", "Slow down.", 1)
    faulty("GetRecords", "ExpiredIteratorException", "Too old.", 1)
    java("errors", name, **wire)


def test_the_sdk_gets_over_throttling_by_itself(java, name, faulty):
    faulty("PutRecord", "ProvisionedThroughputExceededException", "Slow down.", 2)
    java("retries", name)


# Aggregates, as the Kinesis Producer Library makes them.

MAGIC = bytes.fromhex("f3899ac2")


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    """A field of a protobuf message: a number as a varint, all else with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def aggregate(parts):
    """Packs (key, explicit hash key or None, data) into one record, as aggregation-format.md of the KPL says."""
    keys = list(dict.fromkeys(key for key, _, _ in parts))
    hash_keys = list(dict.fromkeys(hash_key for _, hash_key, _ in parts if hash_key))
    message = b"".join(field(1, key.encode()) for key in keys)
    message += b"".join(field(2, hash_key.encode()) for hash_key in hash_keys)
    for key, hash_key, data in parts:
        record = field(1, keys.index(key))
        if hash_key:
            record += field(2, hash_keys.index(hash_key))
        message += field(3, record + field(3, data))
    return MAGIC + message + hashlib.md5(message).digest()


PARTS = [
    ("user-1", None, b"one"),
    ("user-2", str(2**127), bytes(range(256))),
    ("user-1", None, b""),
    ("ключ", str(2**127), "déjà vu".encode()),
    ("user-3", "0", b"x" * 70_000),
]


def test_aggregates_pass_byte_for_byte(kinesis, stream, consumer):
    sent = [aggregate(PARTS), b"plain", aggregate([(f"key-{n}", None, b"%d" % n) for n in range(1000)])]
    subscriber = Subscriber(kinesis, consumer)
    for data in sent:
        kinesis.put_record(StreamName=stream, PartitionKey="a", Data=data)
    assert [record["Data"] for record in read_shard(kinesis, stream, "shardId-000000000000")] == sent
    eventually(lambda: subscriber.data() == sent)
    # Its end, which comes at once, while closing a silent subscription waits for the next event.
    kinesis.deregister_stream_consumer(ConsumerARN=consumer)
    subscriber.end()


def test_the_client_library_takes_aggregates_apart(java, kinesis, stream):
    broken = aggregate(PARTS)[:-1] + b"!"
    numbers = [kinesis.put_record(StreamName=stream, PartitionKey="a", Data=data)["SequenceNumber"] for data in (aggregate(PARTS), b"plain", broken)]
    said = {what: text for what, text in java("aggregates", stream).items() if what.startswith("part ")}
    text = lambda data: base64.b64encode(data).decode()
    expected = {
        f"part {numbers[0]}/{index}": f"aggregated {text(key.encode())} {hash_key or '-'} {text(data)}"
        for index, (key, hash_key, data) in enumerate(PARTS)
    }
    # What is no aggregate stays whole.
    expected[f"part {numbers[1]}/0"] = f"plain {text(b'a')} - {text(b'plain')}"
    expected[f"part {numbers[2]}/0"] = f"plain {text(b'a')} - {text(broken)}"
    assert said == expected
