"""Resharding, registered consumers and fan-out, through boto3 against the built binary."""

import concurrent.futures
import threading

import pytest
from conftest import eventually, refused
from test_kinesis import arn, iterator, kinesis, make, read_shard, stream  # noqa: F401

WHOLE = 2**128


def shards(kinesis, name, **more):
    return kinesis.list_shards(StreamName=name, **more)["Shards"]


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def ranges(shards):
    keys = [shard["HashKeyRange"] for shard in shards if is_open(shard)]
    return sorted((int(key["StartingHashKey"]), int(key["EndingHashKey"])) for key in keys)


def drain(kinesis, name, shard):
    """All records of a closed shard, and the children that its end names."""
    found, at = [], iterator(kinesis, name, shard)
    while at:
        answer = kinesis.get_records(ShardIterator=at)
        found += answer["Records"]
        at = answer.get("NextShardIterator")
        assert bool(at) != ("ChildShards" in answer), "the end of a shard names its children"
        assert at or not answer["Records"], "the end of a shard is a page of its own"
    return found, answer["ChildShards"]


def test_a_split_and_a_merge_keep_every_record_and_its_order(kinesis):
    name = make(kinesis)
    sent = {}

    def put(count):
        for n in range(count):
            key = f"key-{n % 7}"
            sent.setdefault(key, []).append(b"%d" % len(sent.get(key, [])))
            kinesis.put_record(StreamName=name, PartitionKey=key, Data=sent[key][-1])

    put(20)
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(WHOLE // 3))
    put(20)
    kinesis.merge_shards(StreamName=name, ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000001")
    put(20)
    parent, left, right, merged = shards(kinesis, name)
    assert left["ParentShardId"] == right["ParentShardId"] == parent["ShardId"] and "ParentShardId" not in parent
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == (right["ShardId"], left["ShardId"])
    assert ranges([left | {"SequenceNumberRange": {}}, right | {"SequenceNumberRange": {}}]) == [(0, WHOLE // 3 - 1), (WHOLE // 3, WHOLE - 1)]
    assert ranges([parent, left, right, merged]) == [(0, WHOLE - 1)]
    first, children = drain(kinesis, name, parent["ShardId"])
    assert len(first) == 20 and [child["ShardId"] for child in children] == [left["ShardId"], right["ShardId"]]
    assert all(child["ParentShards"] == [parent["ShardId"]] for child in children)
    second = []
    for shard in (left, right):
        records, children = drain(kinesis, name, shard["ShardId"])
        second += records
        assert [child["ShardId"] for child in children] == [merged["ShardId"]]
        assert sorted(children[0]["ParentShards"]) == sorted([left["ShardId"], right["ShardId"]])
    third = read_shard(kinesis, name, merged["ShardId"])
    found = {}
    for record in first + second + third:
        found.setdefault(record["PartitionKey"], []).append(record["Data"])
    assert found == sent
    number = lambda shard, end: int(shard["SequenceNumberRange"][end])
    for shard, children in ((parent, (left, right)), (left, (merged,)), (right, (merged,))):
        for child in children:
            assert number(shard, "EndingSequenceNumber") < number(child, "StartingSequenceNumber")
    for before, after in ((first, second), (second, third)):
        assert max(int(r["SequenceNumber"]) for r in before) < min(int(r["SequenceNumber"]) for r in after)


def test_the_filters_of_list_shards_follow_a_split(kinesis):
    name = make(kinesis, 2)
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000001", NewStartingHashKey=str(WHOLE * 3 // 4))
    ids = lambda **filter: [shard["ShardId"][-1] for shard in shards(kinesis, name, ShardFilter=filter)]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert ids(Type="AT_LATEST") == ["0", "2", "3"] and summary["OpenShardCount"] == 3
    assert ids(Type="AT_TRIM_HORIZON") == ["0", "1"]
    assert ids(Type="FROM_TRIM_HORIZON") == ["0", "1", "2", "3"]
    assert ids(Type="AT_TIMESTAMP", Timestamp=summary["StreamCreationTimestamp"]) == ["0", "1"]
    assert ids(Type="FROM_TIMESTAMP", Timestamp=summary["StreamCreationTimestamp"]) == ["0", "1", "2", "3"]
    assert ids(Type="AFTER_SHARD_ID", ShardId="shardId-000000000001") == ["2", "3"]


def test_the_shard_count_changes_to_even_ranges_and_producers_do_not_notice(kinesis):
    name = make(kinesis, 3)
    stop, sent = threading.Event(), []

    def produce(producer):
        mine = []
        while not stop.is_set():
            data = b"%d/%d" % (producer, len(mine))
            answer = kinesis.put_records(StreamName=name, Records=[{"PartitionKey": f"{producer}-{k}", "Data": data} for k in range(10)])
            assert answer["FailedRecordCount"] == 0
            mine += [data] * 10
        return mine

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        producers = [pool.submit(produce, n) for n in range(4)]
        for target in (5, 10, 7, 4, 2):
            answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            assert answer["TargetShardCount"] == target and answer["StreamARN"] == arn(name)
            bounds = [n * WHOLE // target for n in range(target)] + [WHOLE]
            assert ranges(shards(kinesis, name)) == [(a, b - 1) for a, b in zip(bounds, bounds[1:])]
        stop.set()
        for producer in producers:
            sent += producer.result()
    found = []
    for shard in shards(kinesis, name):
        if is_open(shard):
            found += read_shard(kinesis, name, shard["ShardId"])
        else:
            found += drain(kinesis, name, shard["ShardId"])[0]
    assert sorted(record["Data"] for record in found) == sorted(sent)
    by_key = {}
    for record in sorted(found, key=lambda record: int(record["SequenceNumber"])):
        by_key.setdefault(record["PartitionKey"], []).append(int(record["Data"].split(b"/")[1]))
    assert all(order == sorted(order) for order in by_key.values()), "the order of a key outlives resharding"


def test_changes_of_shards_that_cannot_be_are_refused_and_change_nothing(kinesis):
    name = make(kinesis, 4)
    split = lambda shard, key: kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(key))
    merge = lambda a, b: kinesis.merge_shards(StreamName=name, ShardToMerge=a, AdjacentShardToMerge=b)
    count = lambda target: kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
    shard = "shardId-00000000000{}".format
    for key in (0, 1, WHOLE // 4 - 1, WHOLE // 2, WHOLE - 1):
        with refused("InvalidArgumentException", "is not both greater than one plus the shard's StartingHashKey 0"):
            split(shard(0), key)
    with refused("ResourceNotFoundException", f"Could not find shard {shard(9)} in stream {name}"):
        split(shard(9), 5)
    with refused("InvalidArgumentException", "are not an adjacent pair of shards eligible for merging"):
        merge(shard(0), shard(2))
    with refused("InvalidArgumentException"):
        merge(shard(0), shard(0))
    for target in (9, 1):
        with refused("LimitExceededException", f"Current open shard count: 4 Target shard count: {target}"):
            count(target)
    assert len(shards(kinesis, name)) == 4
    merge(shard(0), shard(1))
    with refused("ResourceInUseException", "has already been merged or split"):
        split(shard(0), 5)
    with refused("ResourceInUseException", "has already been merged or split"):
        merge(shard(1), shard(2))
    with refused("ResourceNotFoundException"):
        kinesis.split_shard(StreamName="nobody", ShardToSplit=shard(0), NewStartingHashKey="5")
    kinesis.update_stream_mode(StreamARN=arn(name), StreamModeDetails={"StreamMode": "ON_DEMAND"})
    for change in (lambda: split(shard(2), 5), lambda: merge(shard(2), shard(3)), lambda: count(4)):
        with refused("ValidationException", "is in On-Demand mode"):
            change()
    assert len(shards(kinesis, name)) == 5


def test_an_on_demand_stream_grows_with_what_is_written(kinesis):
    name = f"{make(kinesis)}-on-demand"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    stop = threading.Event()

    def produce():
        records = [{"PartitionKey": str(n), "Data": b"x" * 20_000} for n in range(200)]
        while not stop.is_set():
            assert kinesis.put_records(StreamName=name, Records=records)["FailedRecordCount"] == 0

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        producer = pool.submit(produce)
        opened = lambda: kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]
        try:
            eventually(lambda: opened() > 4 or producer.done())
        finally:
            stop.set()
        producer.result()
    count = opened()
    bounds = [n * WHOLE // count for n in range(count)] + [WHOLE]
    assert count > 4 and ranges(shards(kinesis, name)) == [(a, b - 1) for a, b in zip(bounds, bounds[1:])]
    kinesis.delete_stream(StreamName=name)


def test_consumers_are_registered_described_listed_and_deregistered(kinesis, stream):
    described = kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="one", Tags={"a": "1"})["Consumer"]
    assert described["ConsumerStatus"] == "ACTIVE" and described["ConsumerARN"].startswith(f"{arn(stream)}/consumer/one:")
    with refused("ResourceInUseException", f"Consumer one under stream {stream} already exists for account"):
        kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="one")
    by_name = kinesis.describe_stream_consumer(StreamARN=arn(stream), ConsumerName="one")["ConsumerDescription"]
    by_arn = kinesis.describe_stream_consumer(ConsumerARN=described["ConsumerARN"])["ConsumerDescription"]
    assert by_name == by_arn == described | {"StreamARN": arn(stream)}
    for n in range(5):
        kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName=f"more-{n}")
    pages = list(kinesis.get_paginator("list_stream_consumers").paginate(StreamARN=arn(stream), PaginationConfig={"PageSize": 2}))
    assert [len(page["Consumers"]) for page in pages] == [2, 2, 2]
    names = [consumer["ConsumerName"] for page in pages for consumer in page["Consumers"]]
    assert names == ["more-0", "more-1", "more-2", "more-3", "more-4", "one"]
    assert kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["ConsumerCount"] == 6
    tagged = described["ConsumerARN"]
    kinesis.tag_resource(ResourceARN=tagged, Tags={"b": "2"})
    kinesis.untag_resource(ResourceARN=tagged, TagKeys=["a"])
    assert kinesis.list_tags_for_resource(ResourceARN=tagged)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert kinesis.list_tags_for_resource(ResourceARN=arn(stream))["Tags"] == []
    with refused("ResourceInUseException", "consumers registered"):
        kinesis.delete_stream(StreamName=stream)
    kinesis.deregister_stream_consumer(ConsumerARN=tagged)
    for gone in (dict(ConsumerARN=tagged), dict(StreamARN=arn(stream), ConsumerName="one")):
        with refused("ResourceNotFoundException", "not found"):
            kinesis.describe_stream_consumer(**gone)
        with refused("ResourceNotFoundException"):
            kinesis.deregister_stream_consumer(**gone)
    with refused("InvalidArgumentException"):
        kinesis.describe_stream_consumer(ConsumerName="more-1")
    with refused("InvalidArgumentException"):
        kinesis.list_stream_consumers(StreamARN=arn(stream), NextToken="AAAA")
    kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)


def test_policies_are_kept_with_streams_and_consumers(kinesis, stream):
    consumer = kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="c")["Consumer"]["ConsumerARN"]
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kinesis:PutRecord", "Resource": "*"}]}'
    for resource in (arn(stream), consumer):
        with refused("ResourceNotFoundException"):
            kinesis.get_resource_policy(ResourceARN=resource)
        kinesis.put_resource_policy(ResourceARN=resource, Policy=policy)
        assert kinesis.get_resource_policy(ResourceARN=resource)["Policy"] == policy
        with refused("InvalidArgumentException"):
            kinesis.put_resource_policy(ResourceARN=resource, Policy="{")
        kinesis.delete_resource_policy(ResourceARN=resource)
        with refused("ResourceNotFoundException"):
            kinesis.delete_resource_policy(ResourceARN=resource)


def test_monitoring_record_size_throughput_and_account(kinesis, stream):
    summary = lambda: kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    on = kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"])
    assert on["CurrentShardLevelMetrics"] == [] and on["DesiredShardLevelMetrics"] == ["IncomingBytes", "OutgoingBytes"]
    off = kinesis.disable_enhanced_monitoring(StreamARN=arn(stream), ShardLevelMetrics=["IncomingBytes"])
    assert off["DesiredShardLevelMetrics"] == ["OutgoingBytes"]
    assert summary()["EnhancedMonitoring"] == [{"ShardLevelMetrics": ["OutgoingBytes"]}]
    assert len(kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])["DesiredShardLevelMetrics"]) == 7
    big = b"x" * (10 * 1024 * 1024 - 1)
    with refused("ValidationException"):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=big)
    kinesis.update_max_record_size(StreamARN=arn(stream), MaxRecordSizeInKiB=10240)
    assert summary()["MaxRecordSizeInKiB"] == 10240
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=big)
    assert read_shard(kinesis, stream, "shardId-000000000000")[0]["Data"] == big
    with refused("ValidationException", "is not in On-Demand mode"):
        kinesis.update_stream_warm_throughput(StreamName=stream, WarmThroughputMiBps=10)
    kinesis.update_stream_mode(StreamARN=arn(stream), StreamModeDetails={"StreamMode": "ON_DEMAND"}, WarmThroughputMiBps=20)
    assert summary()["WarmThroughput"] == {"TargetMiBps": 20, "CurrentMiBps": 20}
    assert kinesis.update_stream_warm_throughput(StreamName=stream, WarmThroughputMiBps=30)["WarmThroughput"]["TargetMiBps"] == 30
    settings = lambda answer: answer["MinimumThroughputBillingCommitment"]
    assert settings(kinesis.describe_account_settings())["Status"] == "DISABLED"
    assert settings(kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"}))["Status"] == "ENABLED"
    ended = settings(kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "DISABLED"}))
    assert ended["Status"] == "ENABLED_UNTIL_EARLIEST_ALLOWED_END" and ended["EarliestAllowedEndAt"] > ended["StartedAt"]
    assert settings(kinesis.describe_account_settings()) == ended


class Subscriber:
    """A subscription read in the background."""

    def __init__(self, kinesis, consumer, shard="shardId-000000000000", **position):
        answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=position or {"Type": "TRIM_HORIZON"})
        self.stream, self.events, self.error = answer["EventStream"], [], None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            for event in self.stream:
                self.events.append(event["SubscribeToShardEvent"])
        except Exception as error:  # the test looks at it
            self.error = error

    def data(self):
        return [record["Data"] for event in list(self.events) for record in event["Records"]]

    def end(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.error

    def close(self):
        self.stream.close()


@pytest.fixture
def consumer(kinesis, stream):
    return kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="fan-out")["Consumer"]["ConsumerARN"]


def test_a_subscriber_gets_what_was_there_and_what_comes(kinesis, stream, consumer):
    put = lambda data: kinesis.put_record(StreamName=stream, PartitionKey="k", Data=data)["SequenceNumber"]
    put(b"before")
    subscriber = Subscriber(kinesis, consumer)
    eventually(lambda: subscriber.data() == [b"before"])
    numbers = [put(b"%d" % n) for n in range(5)]
    eventually(lambda: subscriber.data() == [b"before", b"0", b"1", b"2", b"3", b"4"])
    record = subscriber.events[-1]["Records"][-1]
    assert record["SequenceNumber"] == numbers[-1] and record["PartitionKey"] == "k"
    event = subscriber.events[-1]
    assert event["MillisBehindLatest"] == 0 and event["ContinuationSequenceNumber"]
    with refused("ResourceInUseException", "Another active subscription exists for this consumer"):
        Subscriber(kinesis, consumer)
    subscriber.close()
    other = kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="other")["Consumer"]["ConsumerARN"]
    after = Subscriber(kinesis, other, Type="AFTER_SEQUENCE_NUMBER", SequenceNumber=event["ContinuationSequenceNumber"])
    put(b"last")
    eventually(lambda: after.data() == [b"last"])
    after.close()


def test_a_later_subscription_takes_over_and_silence_is_broken_by_empty_events(kinesis, stream, consumer):
    first = Subscriber(kinesis, consumer, Type="LATEST")
    # An event without records comes every five seconds, and after five seconds somebody else may take over.
    eventually(lambda: first.events)
    assert first.events[0]["Records"] == [] and first.events[0]["ContinuationSequenceNumber"]

    def take_over():
        try:
            return Subscriber(kinesis, consumer, Type="LATEST")
        except kinesis.exceptions.ResourceInUseException:
            return None

    taken = []
    eventually(lambda: taken or taken.append(take_over()) or any(taken))
    second = [each for each in taken if each][0]
    assert "ResourceInUseException" in str(first.end())
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    eventually(lambda: second.data() == [b"x"])
    second.close()


def test_a_subscription_ends_with_its_shard_and_names_the_children(kinesis, stream, consumer):
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"parent")
    subscriber = Subscriber(kinesis, consumer)
    eventually(lambda: subscriber.data() == [b"parent"])
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(WHOLE // 2))
    assert subscriber.end() is None
    last = subscriber.events[-1]
    assert [child["ShardId"][-1] for child in last["ChildShards"]] == ["1", "2"]
    assert not last.get("ContinuationSequenceNumber")
    assert all("ChildShards" not in event and event["ContinuationSequenceNumber"] for event in subscriber.events[:-1])


def test_a_subscription_ends_with_its_consumer_and_its_stream(kinesis, stream, consumer):
    subscriber = Subscriber(kinesis, consumer, Type="LATEST")
    kinesis.deregister_stream_consumer(ConsumerARN=consumer)
    assert "ResourceNotFoundException" in str(subscriber.end())
    again = kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName="again")["Consumer"]["ConsumerARN"]
    subscriber = Subscriber(kinesis, again, Type="LATEST")
    kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)
    assert "ResourceNotFoundException" in str(subscriber.end())


def test_subscriptions_that_cannot_be_are_refused(kinesis, stream, consumer):
    with refused("ResourceNotFoundException"):
        Subscriber(kinesis, consumer, shard="shardId-000000000009")
    with refused("ResourceNotFoundException", "not found"):
        Subscriber(kinesis, f"{arn(stream)}/consumer/nobody:1")
    with refused("InvalidArgumentException"):
        Subscriber(kinesis, consumer, Type="AT_SEQUENCE_NUMBER")
    with refused("InvalidArgumentException", "used in SubscribeToShard on shard"):
        Subscriber(kinesis, consumer, Type="AT_SEQUENCE_NUMBER", SequenceNumber="1")


def test_a_server_that_goes_down_ends_subscriptions(server):
    kinesis = server.client("kinesis")
    name = make(kinesis)
    consumer = kinesis.register_stream_consumer(StreamARN=arn(name), ConsumerName="c")["Consumer"]["ConsumerARN"]
    subscriber = Subscriber(kinesis, consumer, Type="LATEST")
    server.stop()
    assert subscriber.end() is None
    assert "were cut" not in server.log.read_text()
    server.start()
    described = kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
    assert described["ConsumerStatus"] == "ACTIVE"
