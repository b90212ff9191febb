"""Encryption at rest of Kinesis streams, through boto3 against the built binary and its files."""

import base64

import pytest
from test_commands import command
from test_kinesis import arn, make, read_shard
from test_kinesis_shards import Subscriber
from conftest import eventually, refused

SHARD = "shardId-000000000000"


def on_disk(server, text):
    return any(text in path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file() and path.suffix != ".redb")


def test_records_are_encrypted_on_the_disk_from_start_to_stop(server):
    kinesis = server.client("kinesis")
    name = make(kinesis)
    put = lambda data: kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    batch = lambda *data: kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": each, "ExplicitHashKey": "7"} for each in data])
    assert "EncryptionType" not in put(b"in the clear, one")
    key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    for described in (
        kinesis.describe_stream(StreamName=name)["StreamDescription"],
        kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"],
    ):
        assert (described["EncryptionType"], described["KeyId"]) == ("KMS", key)
    assert put(b"kept secret, two")["EncryptionType"] == "KMS"
    assert batch(b"kept secret, three", b"")["EncryptionType"] == "KMS"
    kinesis.start_stream_encryption(StreamARN=arn(name), EncryptionType="KMS", KeyId="alias/another")
    put(b"kept secret, four")
    kinesis.stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/another")
    put(b"in the clear, five")
    expected = [
        (b"in the clear, one", None), (b"kept secret, two", "KMS"), (b"kept secret, three", "KMS"), (b"", "KMS"),
        (b"kept secret, four", "KMS"), (b"in the clear, five", None),
    ]
    found = lambda: [(record["Data"], record.get("EncryptionType")) for record in read_shard(kinesis, name, SHARD)]
    assert found() == expected
    assert on_disk(server, b"in the clear") and not on_disk(server, b"kept secret")
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    subscriber = Subscriber(kinesis, consumer)
    eventually(lambda: subscriber.data() == [data for data, _ in expected])
    server.kill()
    server.start()
    assert found() == expected
    with refused("InvalidArgumentException"):
        kinesis.start_stream_encryption(StreamName=name, EncryptionType="NONE", KeyId="alias/a")
    with refused("ResourceNotFoundException"):
        kinesis.stop_stream_encryption(StreamName="nobody", EncryptionType="KMS", KeyId="alias/a")


def test_without_the_key_records_stay_closed_and_the_others_open(server):
    kinesis = server.client("kinesis")
    name = make(kinesis)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"before")
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/a")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"closed")
    server.stop()
    master = server.data_dir / "keys" / "master.key"
    assert master.stat().st_mode & 0o777 == 0o600
    kept = master.read_bytes()
    master.write_bytes(base64.b64decode("A" * 43 + "="))
    server.start()
    at = kinesis.get_shard_iterator(StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    page = kinesis.get_records(ShardIterator=at)
    assert [record["Data"] for record in page["Records"]] == [b"before"]
    with refused("KMSNotFoundException"):
        kinesis.get_records(ShardIterator=page["NextShardIterator"])
    server.stop()
    master.write_bytes(kept)
    server.start()
    assert [record["Data"] for record in read_shard(kinesis, name, SHARD)] == [b"before", b"closed"]


@pytest.mark.parametrize("state, code", [
    ("disabled", "KMSDisabledException"), ("pending-deletion", "KMSInvalidStateException"), ("missing", "KMSNotFoundException"),
    ("access-denied", "KMSAccessDeniedException"), ("throttled", "KMSThrottlingException"), ("not-subscribed", "KMSOptInRequired"),
])
def test_a_key_that_may_not_be_used_gives_the_services_error(shared_server, client, state, code):
    kinesis = client("kinesis")
    name, plain, key = make(kinesis), make(kinesis), f"alias/{state}"
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"one")
    assert "is " + state in command(shared_server, "keys", "set", key, state).stdout
    assert any(line.split()[:2] == [key, state] for line in command(shared_server, "keys").stdout.splitlines())
    at = kinesis.get_shard_iterator(StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    with refused(code):
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"two")
    with refused(code):
        kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"three"}])
    with refused(code):
        kinesis.get_records(ShardIterator=at)
    with refused(code):
        kinesis.start_stream_encryption(StreamName=plain, EncryptionType="KMS", KeyId=key)
    assert kinesis.describe_stream_summary(StreamName=plain)["StreamDescriptionSummary"]["EncryptionType"] == "NONE"
    kinesis.put_record(StreamName=plain, PartitionKey="k", Data=b"as ever")
    command(shared_server, "keys", "set", key, "enabled")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"four")
    assert [record["Data"] for record in read_shard(kinesis, name, SHARD)] == [b"one", b"four"]


def test_the_states_of_keys_are_kept(server):
    kinesis = server.client("kinesis")
    name = make(kinesis)
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/a")
    command(server, "keys", "set", "alias/a", "disabled")
    server.kill()
    server.start()
    with refused("KMSDisabledException"):
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"x")
