"""Dynamic partitioning by queries in JQ."""

import base64
import collections
import datetime
import itertools
import json
import pathlib
import random
import re
import time

from conftest import eventually
from delivery_streams import NAME, by_keys, delivered, extraction, figures, lines, make, objects, path_style, put


def test_records_are_partitioned_by_jq(firehose, s3, bucket):
    prefix = "flights/y=!{timestamp:yyyy}/carrier=!{partitionKeyFromQuery:carrier}/day=!{partitionKeyFromQuery:day}/"
    query = '{carrier: .carrier, day: (.time[:10] | gsub("-"; ""))}'
    name = make(firehose, bucket, **by_keys(query, prefix))
    records = [
        {"carrier": carrier, "time": f"2013-01-0{day}T05:00", "n": n}
        for n, (carrier, day) in enumerate(itertools.product(["UA", "AA", "B6", "9E"], [1, 2, 3] * 20))
    ]
    put(firehose, name, [json.dumps(record).encode() for record in records])
    found = delivered(s3, bucket, len(records))
    year = datetime.datetime.now(datetime.timezone.utc).year
    got = []
    for key, content in found.items():
        match = re.fullmatch(r"flights/y=(\d{4})/carrier=(\w+)/day=(\d+)/" + NAME, key)
        assert match and abs(int(match[1]) - year) <= 1, key
        here = [json.loads(line) for line in content.splitlines()]
        assert {(record["carrier"], record["time"][:10].replace("-", "")) for record in here} == {(match[2], match[3])}
        assert [record["n"] for record in here] == sorted(record["n"] for record in here)
        got += here
    assert sorted(got, key=lambda record: record["n"]) == records


def test_records_without_partition_keys_are_documented(firehose, s3, bucket):
    started = time.time() * 1000
    name = make(firehose, bucket, **by_keys("{c: .c}", "good/!{partitionKeyFromQuery:c}/"))
    bad = [b"not json", b'{"d": 1}', b'{"c": null}', b'{"c": {"x": 1}}', b'{"c": ""}', b"", b'{"c": "a"}{"c": "b"}']
    # What no parser bears, and places that no object can have.
    bad += [b"[" * 1_000_000, json.dumps({"c": "x" * 1100}).encode(), json.dumps({"c": "\U0001f6e9" * 250}).encode()]
    good = [b'{"c": "a"}', b'{"c": 7}', b'{"c": true}']
    put(firehose, name, [record for pair in itertools.zip_longest(bad, good) for record in pair if record is not None])
    found = delivered(s3, bucket, len(good), "good/")
    assert {key.split("/")[1]: content.strip() for key, content in found.items()} == {"a": good[0], "7": good[1], "true": good[2]}
    failed = delivered(s3, bucket, len(bad), "errors/metadata-extraction-failed/")
    assert all(re.fullmatch("errors/metadata-extraction-failed/" + NAME, key) for key in failed)
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad)
    for document in documents:
        assert document["attemptsMade"] >= 1 and document["errorMessage"]
        assert document["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
        assert started - 1 <= document["arrivalTimestamp"] <= document["attemptEndingTimestamp"] <= time.time() * 1000 + 1


def test_a_record_without_a_key_of_the_prefix_is_documented(firehose, s3, bucket):
    query = "{a: .a, b: .b} | with_entries(select(.value != null))"
    prefix = "good/!{partitionKeyFromQuery:a}/!{partitionKeyFromQuery:b}/"
    settings = by_keys(query, prefix)
    settings["ProcessingConfiguration"]["Processors"] = [extraction(query)]
    name = make(firehose, bucket, **settings)
    put(firehose, name, [b'{"a": 1, "b": 2}', b'{"a": 3}', b'{"b": 4}', b"{}"])
    (key,) = delivered(s3, bucket, 1, "good/")
    assert key.startswith("good/1/2/")
    failed = lines(delivered(s3, bucket, 3, "errors/metadata-extraction-failed/").values())
    told = {base64.b64decode(document["rawData"]): document["errorMessage"] for document in map(json.loads, failed)}
    missing = lambda key: f'the query yields no partition key "{key}", which the prefix asks for'
    assert told == {b'{"a": 3}': missing("b"), b'{"b": 4}': missing("a"), b"{}": missing("a")}


def test_queries_may_use_the_whole_of_jq(firehose, s3, bucket):
    query = """def upto($n): [limit($n; .[])];
        .readings as $all
        | (reduce $all[] as {v: $v} (0; . + $v)) as $sum
        | {sum: $sum, first: ($all | upto(2) | map(.v) | join("-")), factor: (.factor // 1.0), day: (.at | strftime("%Y-%m-%d"))}"""
    prefix = "/".join(f"{key}=!{{partitionKeyFromQuery:{key}}}" for key in ["sum", "first", "factor", "day"]) + "/"
    name = make(firehose, bucket, **by_keys(query, prefix))
    put(firehose, name, [
        b'{"readings": [{"v": 1}, {"v": 2.5}, {"v": 0.5}], "at": 1357016400}',
        b'{"readings": [{"v": 1e3}, {"v": 1.0}], "factor": 1e3, "at": 1357102800.75}',
        b'{"readings": [{"v": 1e17}, {"v": -1e17}], "factor": 1e-5, "at": 0}',
        b'{"readings": [], "factor": 12345678901234567890, "at": -1}',
    ])
    found = {key.rsplit("/", 1)[0] for key in delivered(s3, bucket, 3, "sum=")}
    assert found == {
        "sum=4/first=1-2.5/factor=1/day=2013-01-01",
        "sum=1001/first=1000-1/factor=1000/day=2013-01-02",
        "sum=0/first=1e+17--1e+17/factor=1e-05/day=1970-01-01",
    }
    # The join of nothing is an empty text.
    (failed,) = lines(delivered(s3, bucket, 1, "errors/").values())
    assert json.loads(failed)["errorMessage"].endswith('the partition key "first" is empty')


def test_records_on_which_a_query_runs_away_are_documented(firehose, s3, bucket):
    query = """def again: again;
        {c: (if .run == "for ever" then again
             elif .run == "memory" then reduce range(1e9) as $i ("x"; . + .)
             elif .run == "depth" then reduce range(1e9) as $i (0; [.])
             elif .run == "pattern" then "a" * 5000 | test("(a+)+$b")
             else .c end)}"""
    name = make(firehose, bucket, **by_keys(query, "good/!{partitionKeyFromQuery:c}/"))
    good = [b'{"c": "%d"}' % n for n in range(5)]
    bad = [json.dumps({"run": run}).encode() for run in ["for ever", "memory", "depth", "pattern"]]
    put(firehose, name, [record for pair in itertools.zip_longest(good, bad) for record in pair if record is not None])
    assert sorted(lines(delivered(s3, bucket, len(good), "good/").values())) == good
    failed = delivered(s3, bucket, len(bad), "errors/metadata-extraction-failed/")
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad)
    assert all("the query was ended: it " in document["errorMessage"] for document in documents), documents


def test_thousands_of_partitions_do_not_fill_the_memory(server):
    """Buffers that have no room in memory wait on the disk, and nothing of them is lost."""
    firehose, s3 = server.client("firehose"), path_style(server)
    s3.create_bucket(Bucket="lake")
    late = {"SizeInMBs": 128, "IntervalInSeconds": 900}
    name = make(firehose, "lake", **by_keys("{c: .c}", "c=!{partitionKeyFromQuery:c}/", BufferingHints=late))
    rng = random.Random(1)
    sent = collections.defaultdict(list)
    for batch in range(240):
        records = []
        for n in range(500):
            key = f"{rng.randrange(2000):04}"
            sent[key].append(f"{batch}-{n}")
            records.append({"Data": json.dumps({"c": key, "n": f"{batch}-{n}", "x": "x" * 700}).encode()})
        firehose.put_record_batch(DeliveryStreamName=name, Records=records)
    eventually(lambda: figures(server, name)["buffered_records"] == 120_000, seconds=120)
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) < 256 << 10, status
    soon = {"SizeInMBs": 64, "IntervalInSeconds": 0}
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"BufferingHints": soon},
    )
    eventually(lambda: figures(server, name)["records_total"] == 120_000, seconds=120)
    found = objects(s3, "lake")
    assert len(found) == 2000
    for key, content in found.items():
        assert [json.loads(line)["n"] for line in content.splitlines()] == sent[key[2:6]], key
