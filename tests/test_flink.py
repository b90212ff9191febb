"""Kinesis through Apache Flink's connector, whose job in flink/ copies one stream into another."""

import collections

import pytest
from java_programs import class_path, start_program, trust  # noqa: F401
from producer import Producer
from test_kinesis import arn, iterator, kinesis, make  # noqa: F401

KEYS = [f"key-{number}" for number in range(16)]
# Each stretch of the run has so many more records.
STRETCH = 20 * len(KEYS)
# Two to begin with, and the children of the first.
SHARDS = [f"shardId-{number:012}" for number in range(4)]
# The first run downloads Flink.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def programs():
    return class_path("flink")


@pytest.fixture
def start_job(programs, start_program, shared_server, tmp_path):
    def start(*arguments):
        # Flink's own start script opens this package to it.
        options = ["--add-opens=java.base/java.util=ALL-UNNAMED", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        options += trust(shared_server, tmp_path)
        return start_program(programs, options, "catchment.Copy", *arguments, f"file://{tmp_path}/savepoints")

    return start


class Copies:
    """What the job has written so far: the numbers of each key, by the shard that they were read from."""

    def __init__(self, kinesis, stream):
        self.kinesis, self.stream = kinesis, stream
        self.numbers, self.iterators = collections.defaultdict(list), {}

    def read(self):
        for shard in self.kinesis.list_shards(StreamName=self.stream)["Shards"]:
            at = self.iterators.get(shard["ShardId"]) or iterator(self.kinesis, self.stream, shard["ShardId"])
            answer = self.kinesis.get_records(ShardIterator=at)
            self.iterators[shard["ShardId"]] = answer["NextShardIterator"]
            for record in answer["Records"]:
                source, key, number = record["Data"].decode().split(" ")
                assert record["PartitionKey"] == key
                self.numbers[key, source].append(int(number))
        return self

    def sources(self):
        return {source for _, source in self.numbers}

    def count(self):
        return sum(map(len, self.numbers.values()))


def consumers(kinesis, stream):
    """When each of the stream's consumers was registered."""
    listed = kinesis.list_stream_consumers(StreamARN=arn(stream))["Consumers"]
    return {consumer["ConsumerName"]: consumer["ConsumerCreationTimestamp"] for consumer in listed}


@pytest.mark.parametrize("how, scheme", [("polling", "http"), ("fan-out", "http"), ("fan-out", "https"), ("source", "http")])
def test_a_job_follows_a_split_and_goes_on_from_a_savepoint(start_job, client, kinesis, shared_server, how, scheme):
    origin, destination = make(kinesis, 2), make(kinesis, 2)
    copies = Copies(kinesis, destination)
    producer = Producer(client("kinesis"), origin, KEYS, lambda key, number: b"%d" % number)
    try:
        job = start_job(how, shared_server.endpoint.replace("http", scheme), arn(origin), arn(destination))
        job.says("started")

        def wait_for_more():
            enough = copies.count() + STRETCH
            job.eventually(lambda: copies.read().count() >= enough)

        wait_for_more()
        before = consumers(kinesis, origin)
        assert list(before) == (["flink"] if how == "fan-out" else [])
        kinesis.split_shard(StreamName=origin, ShardToSplit=SHARDS[0], NewStartingHashKey=str(2**126))
        job.eventually(lambda: copies.read().sources() == set(SHARDS))
        wait_for_more()
        job.tell("restart")
        job.says("restarted")
        wait_for_more()
    finally:
        producer.stop()
    sent = producer.sent()
    job.eventually(lambda: copies.read().count() >= len(sent) * len(KEYS))
    for key in KEYS:
        # A job may read a child before it is through with the parent, so order is each shard's own.
        found = [copies.numbers[key, source] for source in SHARDS if (key, source) in copies.numbers]
        assert sum(found, []) == sent, (key, found)
    if how == "fan-out":
        assert consumers(kinesis, origin)["flink"] > before["flink"], "a job takes its consumer with it when it stops"
