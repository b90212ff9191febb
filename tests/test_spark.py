"""Kinesis through Spark Streaming's connector, whose application in spark/ prints a stream.

The connector is built on the Kinesis Client Library 1, which reads a shard when the ones before it are done, and which
keeps its leases in DynamoDB.
"""

import collections
import pathlib
import ssl

import pytest
from java_programs import class_path, start_program, trust  # noqa: F401
from lease_table import LeaseTable
from producer import Producer
from test_kinesis import kinesis, make  # noqa: F401

KEYS = [f"key-{number}" for number in range(16)]
SHARDS = [f"shardId-{number:012}" for number in range(4)]
# The packages that Spark's own start script opens to it on Java 17, as far as this application needs them.
OPENED = ["java.lang.invoke", "java.nio", "java.util", "sun.nio.ch"]
LOGGING = pathlib.Path(__file__).with_name("spark") / "log4j2.properties"
# The first run downloads Spark.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def programs():
    return class_path("spark")


@pytest.fixture
def lease_table(shared_server):
    # The server makes its certificate when the first connection comes.
    ssl.get_server_certificate(("127.0.0.1", shared_server.port))
    tls = shared_server.data_dir / "tls"
    table = LeaseTable(tls / "certificate.pem", tls / "key.pem")
    yield table
    table.stop()


def regions(table, directory):
    """An option that tells the SDK where DynamoDB is. The connector itself knows it by the name of the region only."""
    endpoint = f"<ServiceName>dynamodb</ServiceName><Http>false</Http><Https>true</Https><Hostname>{table.address}</Hostname>"
    file = directory / "regions.xml"
    file.write_text(
        "<XML><Regions><Region><Name>us-east-1</Name><Domain>amazonaws.com</Domain>"
        f"<Endpoint>{endpoint}</Endpoint></Region></Regions></XML>"
    )
    return f"-Dcom.amazonaws.regions.RegionUtils.fileOverride={file}"


def found(application):
    """The numbers of each key."""
    numbers = collections.defaultdict(list)
    for line in application.lines():
        key, number = line.split(" ")
        numbers[key].append(int(number))
    return numbers


@pytest.fixture
def start_application(programs, start_program, shared_server, lease_table, tmp_path):
    def start(*arguments):
        options = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        options += [f"-Dlog4j2.configurationFile={LOGGING}", *trust(shared_server, tmp_path), regions(lease_table, tmp_path)]
        return start_program(programs, options, "catchment.Read", *arguments)

    return start


def test_an_application_follows_a_split_in_order(start_application, client, kinesis, shared_server, lease_table):
    stream = make(kinesis, 2)
    data = lambda key, number: b"%s %d" % (key.encode(), number)
    # The library takes up the children after some 20 s, which is a while to produce.
    producer = Producer(client("kinesis"), stream, KEYS, data, pause_seconds=0.05)
    try:
        application = start_application(shared_server.endpoint, stream)
        application.eventually(lambda: len(found(application)) == len(KEYS))
        kinesis.split_shard(StreamName=stream, ShardToSplit=SHARDS[0], NewStartingHashKey=str(2**126))
        reached = producer.rounds
        application.eventually(lambda: all(numbers[-1] > reached for numbers in found(application).values()))
    finally:
        producer.stop()
    sent = producer.sent()
    application.eventually(lambda: len(application.lines()) >= len(sent) * len(KEYS))
    assert found(application) == {key: sent for key in KEYS}
    # The library may have forgotten the parent.
    assert set(lease_table.leases(stream)) >= set(SHARDS[1:]) and lease_table.unknown == []
