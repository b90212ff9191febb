"""Firehose to data streams, through boto3: https://kinesis.REGION.amazonaws.com/STREAM as the URL of an HTTP endpoint."""

import json

import pytest
from conftest import eventually, refused
from delivery_streams import ACCOUNT, ERRORS, NOW, ROLE, aggregated, lines, new_name, objects, put
from test_commands import command, everything
from test_kinesis import read_shard, shard_ids


@pytest.fixture
def kinesis(client):
    return client("kinesis")


def url(stream, region="us-east-1"):
    return f"https://kinesis.{region}.amazonaws.com/{stream}"


def to_stream(bucket, where, **more):
    return {
        "EndpointConfiguration": {"Url": where},
        "BufferingHints": NOW,
        "S3Configuration": {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "ErrorOutputPrefix": ERRORS},
        **more,
    }


def make_stream(kinesis, shards=3):
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    return name


def records(kinesis, stream):
    """Everything in a stream, shard after shard: keys and data."""
    return [(record["PartitionKey"], record["Data"]) for record in everything(kinesis, stream)]


def test_keys_outlive_a_destination_that_was_given_up(firehose, kinesis, bucket):
    source, copy, name = make_stream(kinesis), make_stream(kinesis), new_name()
    missing = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::nobodys-bucket", "BufferingHints": NOW}
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{source}", "RoleARN": ROLE
        },
        ExtendedS3DestinationConfiguration=missing,
    )
    sent = [(f"key {n % 7}", f"record {n}".encode()) for n in range(50)]
    put_to = lambda records: kinesis.put_records(
        StreamName=source, Records=[{"PartitionKey": key, "Data": data} for key, data in records]
    )
    put_to(sent[:25])

    def update(version, **more):
        firehose.update_destination(
            DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version, DestinationId="destinationId-000000000001", **more
        )

    # To an endpoint that does not take them, either, and then to the stream, where attributes are of no use.
    nobody = to_stream(bucket, "https://127.0.0.1:1/", RequestConfiguration={"CommonAttributes": [{"AttributeName": "a", "AttributeValue": "b"}]})
    s3_part = nobody.pop("S3Configuration")
    update("1", HttpEndpointDestinationUpdate={**nobody, "S3Update": s3_part, "RetryOptions": {"DurationInSeconds": 7200}})
    put_to(sent[25:])
    with refused("InvalidArgumentException", "RequestConfiguration has no meaning"):
        update("2", HttpEndpointDestinationUpdate={"EndpointConfiguration": {"Url": url(copy)}})
    plain = {"ContentEncoding": "NONE", "CommonAttributes": []}
    update("2", HttpEndpointDestinationUpdate={"EndpointConfiguration": {"Url": url(copy)}, "RequestConfiguration": plain})
    eventually(lambda: len(records(kinesis, copy)) >= len(sent))
    assert sorted(records(kinesis, copy)) == sorted(sent)


def test_a_stream_is_copied_with_its_keys_in_order(firehose, kinesis, bucket, shared_server):
    source, copy, name = make_stream(kinesis), make_stream(kinesis, 2), new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{source}", "RoleARN": ROLE
        },
        HttpEndpointDestinationConfiguration=to_stream(bucket, url(copy)),
    )
    sent = [(f"user {n % 11}", f"event {n}".encode()) for n in range(500)]
    kinesis.put_records(StreamName=source, Records=[{"PartitionKey": key, "Data": data} for key, data in sent])
    # The library's own keys count, not that of the record which holds theirs.
    kinesis.put_record(StreamName=source, PartitionKey="of the whole", Data=aggregated([b"part 1", b"part 2"]))
    sent += [("key", b"part 1"), ("key", b"part 2")]
    eventually(lambda: len(records(kinesis, copy)) >= len(sent))
    found = records(kinesis, copy)
    assert sorted(found) == sorted(sent)
    for key in {key for key, _ in sent}:
        assert [data for its, data in found if its == key] == [data for its, data in sent if its == key]
    eventually(lambda: f"kinesis://{copy}" in command(shared_server, "deliveries").stdout)


def test_direct_puts_spread_over_the_shards_of_another_region(firehose, client, bucket):
    kinesis = client("kinesis", region_name="eu-west-3")
    stream, name = make_stream(kinesis), new_name()
    lines = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord"}]}
    where = url(stream, "eu-west-3")
    firehose.create_delivery_stream(
        DeliveryStreamName=name, HttpEndpointDestinationConfiguration=to_stream(bucket, where, ProcessingConfiguration=lines)
    )
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    [destination] = described["Destinations"]
    assert destination["HttpEndpointDestinationDescription"]["EndpointConfiguration"] == {"Url": where}
    sent = [f"{n}".encode() for n in range(300)]
    put(firehose, name, sent)
    eventually(lambda: len(records(kinesis, stream)) >= len(sent))
    found = records(kinesis, stream)
    assert sorted(data for _, data in found) == sorted(data + b"\n" for data in sent)
    assert len({key for key, _ in found}) == len(sent)
    assert all(read_shard(kinesis, stream, shard) for shard in shard_ids(kinesis, stream))


def test_records_of_a_stream_that_is_gone_go_to_the_bucket(firehose, kinesis, bucket, s3):
    stream, name = make_stream(kinesis), new_name()
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        HttpEndpointDestinationConfiguration=to_stream(bucket, url(stream), RetryOptions={"DurationInSeconds": 0}),
    )
    kinesis.delete_stream(StreamName=stream)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=stream)
    put(firehose, name, [b"one", b"two"])
    eventually(lambda: len(lines(objects(s3, bucket, "errors/kinesis-stream-failed/").values())) == 2)
    documents = [json.loads(line) for line in lines(objects(s3, bucket, "errors/").values())]
    assert {document["errorCode"] for document in documents} == {"Kinesis.ResourceNotFoundException"}
    assert {document["rawData"] for document in documents} == {"b25l", "dHdv"}
    assert all(stream in document["errorMessage"] for document in documents)


def test_what_does_not_fit_is_refused(firehose, kinesis, bucket):
    stream = make_stream(kinesis)
    attributes = {"CommonAttributes": [{"AttributeName": "a", "AttributeValue": "b"}]}
    source = {"KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}", "RoleARN": ROLE}
    own = {"DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": source}
    for where, more, call, message in [
        (url("nowhere"), {}, {}, "Stream nowhere not found."),
        (url(stream, "eu-west-3"), {}, {}, f"Stream {stream} not found."),
        (url(""), {}, {}, "does not name a data stream"),
        (url(stream + "/more"), {}, {}, "does not name a data stream"),
        (url(stream), {"RequestConfiguration": {"ContentEncoding": "GZIP"}}, {}, "RequestConfiguration has no meaning"),
        (url(stream), {"RequestConfiguration": attributes}, {}, "RequestConfiguration has no meaning"),
        (url(stream), {}, own, "cannot be its destination too"),
    ]:
        with refused("InvalidArgumentException", message):
            firehose.create_delivery_stream(
                DeliveryStreamName="never", HttpEndpointDestinationConfiguration=to_stream(bucket, where, **more), **call
            )
    with refused("ResourceNotFoundException"):
        firehose.describe_delivery_stream(DeliveryStreamName="never")
