"""Kinesis through Apache Flink's connector, whose job in flink/ copies one stream into another."""

import collections
import ssl
import subprocess
import threading

import pytest
from conftest import eventually
from maven import class_path
from test_kinesis import arn, iterator, kinesis, make  # noqa: F401

KEYS = 16
# Each stretch of the run has so many more records.
STRETCH = 20 * KEYS
# Two to begin with, and the children of the first.
SHARDS = [f"shardId-{number:012}" for number in range(4)]
PASSWORD = "trusted"
# The first run downloads Flink.
pytestmark = pytest.mark.timeout(600)


class Job:
    """The job of flink/src/catchment/Copy.java in a process of its own."""

    def __init__(self, programs, directory, trusted, *arguments):
        self.said, self.errors = directory / "said.txt", directory / "errors.txt"
        # Quick to start, small; and what Flink's own configuration opens to it on Java 17.
        options = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.util=ALL-UNNAMED"]
        options += [f"-Djavax.net.ssl.trustStore={trusted}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]
        options += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        program = ["java", *options, "-cp", programs, "catchment.Copy", *arguments, f"file://{directory}/savepoints"]
        with open(self.said, "wb") as said, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=said, stderr=errors, text=True)

    def wait_until(self, line):
        eventually(lambda: self.is_well() and line in self.said.read_text().splitlines())

    def is_well(self):
        assert self.process.poll() in (None, 0), self.errors.read_text()
        return True

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="session")
def programs():
    return class_path("flink")


@pytest.fixture(scope="session")
def trusted(programs, shared_server, tmp_path_factory):
    """A file that has Java trust the server's certificate."""
    directory = tmp_path_factory.mktemp("trusted")
    certificate, store = directory / "certificate.pem", directory / "store.p12"
    certificate.write_text(ssl.get_server_certificate(("127.0.0.1", shared_server.port)))
    keytool = ["keytool", "-importcert", "-noprompt", "-alias", "catchment", "-file", certificate]
    subprocess.run([*keytool, "-keystore", store, "-storepass", PASSWORD], check=True, capture_output=True)
    return store


@pytest.fixture
def start_job(programs, trusted, tmp_path):
    jobs = []

    def start(*arguments):
        jobs.append(Job(programs, tmp_path, trusted, *arguments))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()
        job.process.wait()


class Producer:
    """Puts numbered records, one of each key at a time, until it is stopped."""

    def __init__(self, client, stream):
        self.client, self.stream = client("kinesis"), stream
        self.rounds, self.failure = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping.wait(0.01):
                records = [{"PartitionKey": f"key-{key}", "Data": b"%d" % self.rounds} for key in range(KEYS)]
                assert self.client.put_records(StreamName=self.stream, Records=records)["FailedRecordCount"] == 0
                self.rounds += 1
        except Exception as error:
            self.failure = error

    def stop(self):
        self.stopping.set()
        self.thread.join()
        if self.failure:
            raise self.failure


class Copies:
    """What the job has written so far, shard by shard."""

    def __init__(self, kinesis, stream):
        self.kinesis, self.stream = kinesis, stream
        self.lines, self.iterators = collections.defaultdict(list), {}

    def read(self):
        for shard in self.kinesis.list_shards(StreamName=self.stream)["Shards"]:
            at = self.iterators.get(shard["ShardId"]) or iterator(self.kinesis, self.stream, shard["ShardId"])
            answer = self.kinesis.get_records(ShardIterator=at)
            self.iterators[shard["ShardId"]] = answer["NextShardIterator"]
            for record in answer["Records"]:
                source, key, number = record["Data"].decode().split(" ")
                assert record["PartitionKey"] == key
                self.lines[key, source].append(int(number))
        return self

    def sources(self):
        return {source for _, source in self.lines}

    def count(self):
        return sum(map(len, self.lines.values()))


@pytest.mark.parametrize("how, scheme", [("polling", "http"), ("fan-out", "http"), ("fan-out", "https"), ("source", "http")])
def test_a_job_follows_a_split_and_goes_on_from_a_savepoint(start_job, client, kinesis, shared_server, how, scheme):
    origin, destination = make(kinesis, 2), make(kinesis, 2)
    endpoint = shared_server.endpoint.replace("http", scheme)
    copies, producer = Copies(kinesis, destination), Producer(client, origin)
    try:
        job = start_job(how, endpoint, arn(origin), arn(destination))
        job.wait_until("started")

        def wait_for_more():
            enough = copies.count() + STRETCH
            eventually(lambda: job.is_well() and copies.read().count() >= enough)

        wait_for_more()
        consumers = kinesis.list_stream_consumers(StreamARN=arn(origin))["Consumers"]
        assert [consumer["ConsumerName"] for consumer in consumers] == (["flink"] if how == "fan-out" else [])
        kinesis.split_shard(StreamName=origin, ShardToSplit=SHARDS[0], NewStartingHashKey=str(2**126))
        eventually(lambda: job.is_well() and copies.read().sources() == set(SHARDS))
        wait_for_more()
        job.tell("restart")
        job.wait_until("restarted")
        wait_for_more()
    finally:
        producer.stop()
    sent = list(range(producer.rounds))
    eventually(lambda: job.is_well() and copies.read().count() >= len(sent) * KEYS)
    job.tell("stop")
    assert job.process.wait(timeout=60) == 0, job.errors.read_text()
    copies.read()
    for key in (f"key-{key}" for key in range(KEYS)):
        # A job may read a child before it is through with the parent, so order is each shard's own.
        stretches = [copies.lines[key, source] for source in SHARDS if (key, source) in copies.lines]
        assert sum(stretches, []) == sent, (key, stretches)
    assert kinesis.list_stream_consumers(StreamARN=arn(origin))["Consumers"] == [], "the job takes its consumer with it"
