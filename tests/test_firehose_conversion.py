"""JSON to the columns of a Glue table: every file is opened by PyArrow and DuckDB."""

import base64
import datetime
import decimal
import io
import json
import pathlib
import random
import re
import time
import uuid

import duckdb
import pyarrow
import pyarrow.csv
import pyarrow.orc
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError
from conftest import eventually, refused
from delivery_streams import (
    ACCOUNT, DESTINATION, ERRORS, FLIGHTS, LARGE, LARGE_SECOND, MIB, NAME, TYPES, by_keys, conversion, delivered,
    lines, make, make_table, objects, put, rows,
)
from test_commands import command


def flights(count):
    """The first flights of the year, as a producer sends them and as they must be read back."""
    with pyarrow.input_stream(str(FLIGHTS), compression="zstd") as stream:
        table = pyarrow.csv.read_csv(stream).slice(0, count)
    sent = table.to_pylist()
    for row in sent:
        row["time_hour"] = row["time_hour"].strftime("%Y-%m-%d %H:%M:%S")
    return table, sent


def test_flights_become_parquet_and_read_back_equal(firehose, s3, glue, bucket, tmp_path):
    table, sent = flights(20_000)
    kinds = {pyarrow.int64(): "bigint", pyarrow.string(): "string"}
    columns = {field.name: kinds.get(field.type, "timestamp") for field in table.schema}
    where = make_table(glue, bucket, columns)
    name = make(firehose, bucket, Prefix="table/", BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where))
    put(firehose, name, [json.dumps(row).encode() for row in sent])
    found = delivered(s3, bucket, len(sent), records=rows)
    assert all(re.fullmatch(r"table/\d{4}/\d\d/\d\d/\d\d/" + NAME + r"\.parquet", key) for key in found)
    expect = table.set_column(
        table.schema.get_field_index("time_hour"),
        "time_hour",
        table["time_hour"].cast(pyarrow.timestamp("s")).cast(pyarrow.timestamp("us")),
    )
    order = [(column, "ascending") for column in ("time_hour", "carrier", "flight", "origin", "sched_dep_time")]
    files = []
    for n, content in enumerate(found.values()):
        files.append(str(tmp_path / f"{n}.parquet"))
        pathlib.Path(files[-1]).write_bytes(content)
        assert pyarrow.parquet.ParquetFile(files[-1]).metadata.row_group(0).column(0).compression == "SNAPPY"
    # PyArrow may hold the strings in another of its ways; the values are what counts.
    got = pyarrow.concat_tables([pyarrow.parquet.read_table(file).cast(expect.schema) for file in files])
    assert got.sort_by(order).to_pylist() == expect.sort_by(order).to_pylist()
    # DuckDB reads with code of its own; what differs either way is nothing.
    duck = duckdb.connect()
    duck.register("expect", expect)
    duck.execute(f"CREATE VIEW got AS SELECT {', '.join(columns)} FROM read_parquet({files})")
    assert duck.execute("SELECT count(*) FROM got").fetchone() == (len(sent),)
    for left, right in (("got", "expect"), ("expect", "got")):
        assert duck.execute(f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})").fetchone() == (0,)


def test_every_type_is_converted(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, TYPES)
    name = make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(*where))
    sent = [
        {
            "b": True, "i": -5, "l": 2**60, "d": 1.5, "s": "snow ❄ \" \\", "m": 12.34, "t": "2013-01-01 05:15:00",
            "day": "2013-01-01", "list": [1, None, 3], "pair": {"x": 1, "y": "z"}, "unknown": {"is": ["left", "out"]},
        },
        {},
        {"S": "keys match whatever their case", "PAIR": {"X": 2}},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    found = rows(delivered(s3, bucket, 3, records=rows).values())
    nothing = dict.fromkeys(TYPES)
    first = {
        **sent[0], "m": decimal.Decimal("12.34"), "t": datetime.datetime(2013, 1, 1, 5, 15), "day": datetime.date(2013, 1, 1)
    }
    del first["unknown"]
    expect = [first, nothing, {**nothing, "s": sent[2]["S"], "pair": {"x": 2, "y": None}}]
    for row in found:
        row["t"] = row["t"] and row["t"].replace(tzinfo=None)
    by = lambda row: str(row["s"])
    assert sorted(found, key=by) == sorted(expect, key=by)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"Compression": "ZLIB", "RowIndexStride": 1000, "StripeSizeBytes": 8 * MIB, "BloomFilterColumns": ["s"], "EnablePadding": True},
        {"Compression": "NONE", "FormatVersion": "V0_11", "DictionaryKeyThreshold": 1.0},
    ],
)
def test_orc_files_read_back_equal(firehose, s3, glue, bucket, options):
    """Flights, with what they have not: nested columns, dates before 1970, and NULL of every type."""
    where = make_table(glue, bucket, TYPES)
    format = conversion(*where)
    format["OutputFormatConfiguration"] = {"Serializer": {"OrcSerDe": options}}
    name = make(firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=format)
    sent = [
        {
            "b": flight["dep_delay"] is not None, "i": flight["flight"], "l": -(2**62) + n, "d": flight["distance"] / 7,
            "s": flight["tailnum"], "m": float(n % 1000) + 0.25, "t": f"1969-07-{n % 28 + 1:02} 05:15:00.123456",
            "day": f"1{n % 900 + 100}-02-03", "list": [n, None] * (n % 4), "pair": {"x": n, "y": "é" * (n % 3)} if n % 5 else None,
        }
        for n, flight in enumerate(flights(3000)[1])
    ] + [{}]
    put(firehose, name, [json.dumps(record).encode() for record in sent] + [b'{"i": "no number"}'])

    def orc_rows(contents):
        return [row for content in contents for row in pyarrow.orc.ORCFile(io.BytesIO(content)).read().to_pylist()]

    found = delivered(s3, bucket, len(sent), "table/", orc_rows)
    assert all(key.endswith(".orc") for key in found)
    expect = []
    for record in sent:
        row = {**dict.fromkeys(TYPES), **record}
        if record:
            row["m"] = decimal.Decimal(str(record["m"])).quantize(decimal.Decimal("0.01"))
            row["t"] = datetime.datetime.fromisoformat(record["t"])
            row["day"] = datetime.date.fromisoformat(record["day"])
        expect.append(row)
    got = orc_rows(found.values())
    for row in got:
        row["t"] = row["t"] and row["t"].replace(tzinfo=None)
    by = lambda row: (row["l"] is not None, row["l"])
    assert sorted(got, key=by) == sorted(expect, key=by)
    (failure,) = lines(objects(s3, bucket, "errors/format-conversion-failed/").values())
    assert "column i (int)" in json.loads(failure)["lastErrorMessage"]
    codec = pyarrow.orc.ORCFile(io.BytesIO(next(iter(found.values())))).compression
    assert codec == {"NONE": "UNCOMPRESSED"}.get(options.get("Compression", "SNAPPY"), options.get("Compression", "SNAPPY"))


def test_serializer_and_deserializer_options_are_followed(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"a_b": "int", "ts": "string", "n": "int"})
    deserializer = {
        "OpenXJsonSerDe": {
            "ConvertDotsInJsonKeysToUnderscores": True, "CaseInsensitive": False, "ColumnToJsonKeyMappings": {"ts": "timestamp"},
        }
    }
    serializer = {"Compression": "GZIP", "EnableDictionaryCompression": False, "WriterVersion": "V2"}
    name = make(
        firehose, bucket, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where, deserializer, serializer),
    )
    put(firehose, name, [b'{"a.b": 1, "timestamp": "now", "N": 3}'])
    found = delivered(s3, bucket, 1, records=rows)
    assert rows(found.values()) == [{"a_b": 1, "ts": "now", "n": None}]
    column = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(*found.values())).metadata.row_group(0).column(0)
    assert (column.compression, column.has_dictionary_page) == ("GZIP", False)


def test_records_are_converted_by_the_version_of_the_table_that_is_asked_for(firehose, s3, glue, bucket):
    database, table = make_table(glue, bucket, {"n": "int"})
    there = glue.get_table(DatabaseName=database, Name=table)["Table"]
    first = there["VersionId"]
    wider = {**there["StorageDescriptor"], "Columns": [{"Name": "n", "Type": "string"}, {"Name": "m", "Type": "int"}]}
    glue.update_table(DatabaseName=database, TableInput={"Name": table, "StorageDescriptor": wider})
    made = {}
    format = conversion(database, table)
    for version, prefix in [(first, "first/"), ("LATEST", "latest/")]:
        format["SchemaConfiguration"]["VersionId"] = version
        made[version] = make(
            firehose, bucket, Prefix=prefix, ErrorOutputPrefix=ERRORS, BufferingHints=LARGE, DataFormatConversionConfiguration=format
        )
        put(firehose, made[version], [b'{"n": 1, "m": 2}'])
    assert rows(delivered(s3, bucket, 1, "first/", rows).values()) == [{"n": 1}]
    assert rows(delivered(s3, bucket, 1, "latest/", rows).values()) == [{"n": "1", "m": 2}]
    assert objects(s3, bucket, "errors/") == {}

    def update(version, schema):
        firehose.update_destination(
            DeliveryStreamName=made[first], CurrentDeliveryStreamVersionId=version, DestinationId=DESTINATION,
            ExtendedS3DestinationUpdate={"DataFormatConversionConfiguration": {"SchemaConfiguration": schema}},
        )

    for schema, why in [
        ({"VersionId": "77"}, "Table version 77 not found. (Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException"),
        ({"VersionId": "newest"}, "VersionId newest is neither LATEST nor a number"),
        ({"TableName": "nobodys"}, "Table nobodys not found. (Service: AWSGlue"),
        ({"DatabaseName": "nobodys"}, "Database nobodys not found. (Service: AWSGlue"),
    ]:
        with refused("InvalidArgumentException", why):
            wrong = {**format, "SchemaConfiguration": {**format["SchemaConfiguration"], **schema}}
            make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=wrong)
        with refused("InvalidArgumentException", why):
            update("1", schema)
    update("1", {"VersionId": "LATEST"})
    put(firehose, made[first], [b'{"n": 3, "m": 4}'])
    assert rows(delivered(s3, bucket, 2, "first/", rows).values()) == [{"n": 1}, {"n": "3", "m": 4}]


def test_a_conversion_waits_for_a_table_that_went(firehose, s3, glue, bucket, shared_server):
    database, table = make_table(glue, bucket, {"n": "int"})
    there = glue.get_table(DatabaseName=database, Name=table)["Table"]
    name = make(
        firehose, bucket, Prefix="table/", BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(database, table)
    )
    glue.delete_table(DatabaseName=database, Name=table)
    put(firehose, name, [b'{"n": 1}'])
    shown = lambda: json.loads(command(shared_server, "deliveries", "--json").stdout)
    eventually(lambda: f"no table {database}.{table}" in str([each["last_error"] for each in shown() if each["name"] == name]))
    glue.create_table(
        DatabaseName=database, TableInput={key: there[key] for key in ("Name", "StorageDescriptor", "PartitionKeys")}
    )
    assert rows(delivered(s3, bucket, 1, "table/", rows).values()) == [{"n": 1}]


def test_a_record_may_hold_several_documents(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"})
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where),
    )
    bad = [b'[{"n": 7}, {"n": 8}]', b'{"n": 9}{"n": "x"}', b'{"n": 10}, {"n": 11}']
    put(firehose, name, [b'{"n": 1}{"n": 2}', bad[0], b'{"n": 3}\n{"n": 4}\n', bad[1], b' {"n":\n5}', bad[2]])
    failed = delivered(s3, bucket, len(bad), "errors/format-conversion-failed/")
    good = delivered(s3, bucket, 5, "table/", rows)
    assert sorted(row["n"] for row in rows(good.values())) == [1, 2, 3, 4, 5]
    documents = [json.loads(line) for line in lines(failed.values())]
    assert {base64.b64decode(document["rawData"]): document["lastErrorMessage"] for document in documents} == {
        bad[0]: "Data does not match the schema. expected a JSON object, found an array",
        bad[1]: 'Data does not match the schema. column n (int): expected an integer, found a string "x"',
        bad[2]: "Encountered malformed JSON. expected a value at byte 9",
    }


def test_the_hive_deserializer_reads_timestamps_by_their_formats(firehose, unchecked, s3, glue, bucket):
    where = make_table(glue, bucket, {"at": "timestamp", "day": "date", "n": "int", "m": "map<string,int>"})
    formats = ["dd/MMM/yyyy:HH:mm:ss Z", "millis"]
    convert = lambda *formats: conversion(*where, {"HiveJsonSerDe": {"TimestampFormats": list(formats)}})
    with pytest.raises(ClientError, match="Invalid deserializer option.*the letter T stands for nothing"):
        make(unchecked, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=convert("yyyy-MM-ddTHH:mm"))
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=convert(*formats),
    )
    sent = [
        {"at": "31/Jan/2013:05:06:07 +0100", "day": "31/Jan/2013:00:00:00 +0000", "N": 1, "m": {"Key": 1}},
        {"at": 1359605167123, "day": "2013-1-31", "n": 2},
        {"at": "2013-01-31 04:06:07.25", "n": 3},
        {"at": "2013-01-31T04:06:07Z"},
        {"n": "4"},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    failed = delivered(s3, bucket, 2, "errors/format-conversion-failed/")
    found = rows(delivered(s3, bucket, 3, "table/", rows).values())
    times = {row["n"]: (row["at"].replace(tzinfo=None), row["day"]) for row in found}
    day, at = datetime.date(2013, 1, 31), datetime.datetime(2013, 1, 31, 4, 6, 7)
    assert times == {1: (at, day), 2: (at.replace(microsecond=123000), day), 3: (at.replace(microsecond=250000), None)}
    assert [row["m"] for row in found if row["m"]] == [[("Key", 1)]]
    messages = {json.loads(line)["lastErrorMessage"].removeprefix("Data does not match the schema. ") for line in lines(failed.values())}
    assert messages == {
        "column at (timestamp): expected a time in the format dd/MMM/yyyy:HH:mm:ss Z or millis, found a string \"2013-01-31T04:06:07Z\"",
        'column n (int): expected an integer, found a string "4"',
    }


def test_what_does_not_quite_fit_is_made_to_by_the_open_x_deserializer(firehose, s3, glue, bucket):
    columns = {
        "id": "string", "tags": "array<string>", "person": "struct<name:string,age:int>", "attrs": "map<string,string>", "at": "timestamp",
    }
    where = make_table(glue, bucket, columns)
    name = make(firehose, bucket, BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(*where))
    sent = [
        {"id": {"Outer": [1.50, "x"]}, "tags": "solo", "person": ["Zoe", "9", "more"], "attrs": {"Key": 1}, "at": 1359605167.5},
        {"id": 7, "tags": [1, True, None], "PERSON": {"NAME": "Bob"}, "at": "1359605167500"},
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    found = rows(delivered(s3, bucket, 2, records=rows).values())
    at = datetime.datetime(2013, 1, 31, 4, 6, 7, 500000)
    assert {row["at"].replace(tzinfo=None) for row in found} == {at}
    assert sorted(({key: value for key, value in row.items() if key != "at"} for row in found), key=str) == sorted(
        [
            {"id": '{"outer":[1.5,"x"]}', "tags": ["solo"], "person": {"name": "Zoe", "age": 9}, "attrs": [("key", "1")]},
            {"id": "7", "tags": ["1", "true", None], "person": {"name": "Bob", "age": None}, "attrs": None},
        ],
        key=str,
    )


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("compression", ["UNCOMPRESSED", "GZIP", "SNAPPY"])
def test_every_option_of_the_parquet_serializer_is_readable(firehose, s3, glue, bucket, tmp_path, version, compression):
    columns = {
        "n": "bigint", "kind": "string", "id": "string", "x": "double", "m": "decimal(12,3)", "flag": "boolean",
        "list": "array<struct<a:int,b:string>>", "map": "map<string,array<int>>",
    }
    where = make_table(glue, bucket, columns)
    serializer = {
        "Compression": compression, "WriterVersion": version, "BlockSizeBytes": 64 * MIB, "PageSizeBytes": 64 * 1024,
        "MaxPaddingBytes": 8 * MIB, "EnableDictionaryCompression": True,
    }
    name = make(firehose, bucket, BufferingHints=LARGE_SECOND, DataFormatConversionConfiguration=conversion(*where, None, serializer))
    dice = random.Random(1)
    sent = [
        {
            "n": n, "kind": dice.choice(["a", "bb", "ccc", None]), "id": uuid.UUID(int=dice.getrandbits(128)).hex, "x": dice.random(),
            "m": f"{dice.randrange(10**9)}.{dice.randrange(1000):03}", "flag": dice.choice([True, False]),
            "list": [{"a": dice.randrange(9), "b": None} for _ in range(dice.randrange(3))] if n % 7 else None,
            "map": {f"k{key}": [key] * key for key in range(dice.randrange(3))},
        }
        for n in range(6000)
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent])
    contents = delivered(s3, bucket, len(sent), records=rows).values()
    found = sorted(rows(contents), key=lambda row: row["n"])
    expect = [{**row, "m": decimal.Decimal(row["m"]), "map": list(row["map"].items())} for row in sent]
    assert found == expect
    files = []
    for number, content in enumerate(contents):
        files.append(str(tmp_path / f"{number}.parquet"))
        pathlib.Path(files[-1]).write_bytes(content)
        group = pyarrow.parquet.ParquetFile(files[-1]).metadata.row_group(0)
        by_name = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {column.compression for column in by_name.values()} == {compression}
        # Dictionaries are for values that repeat.
        assert by_name["kind"].has_dictionary_page and not by_name["id"].has_dictionary_page
    duck = duckdb.connect()
    query = f"SELECT n, kind, id, x, m, flag, len(list), map_keys(map) FROM read_parquet({files}) ORDER BY n"
    assert duck.execute(query).fetchall() == [
        (
            row["n"], row["kind"], row["id"], row["x"], row["m"], row["flag"],
            None if row["list"] is None else len(row["list"]), [key for key, _ in row["map"]],
        )
        for row in expect
    ]


POISON = [b"{", b"", b"plain text", b"[1]", b'{"n": "x"}', b'{"n": {}}', b"\xff\xfe", b"7"]


@pytest.mark.parametrize("places", [*([n] for n in range(10)), [0, 4, 9], range(10)], ids=[*map(str, range(10)), "three", "all"])
def test_poisoned_records_are_documented_and_the_others_delivered(firehose, s3, glue, bucket, places):
    started = time.time() * 1000
    where = make_table(glue, bucket, {"n": "int"})
    name = make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where),
    )
    records = [b'{"n": %d}' % n for n in range(10)]
    bad = {place: POISON[place % len(POISON)] for place in places}
    put(firehose, name, [bad.get(n, record) for n, record in enumerate(records)])
    failed = delivered(s3, bucket, len(bad), "errors/format-conversion-failed/")
    good = delivered(s3, bucket, len(records) - len(bad), "table/", rows)
    assert sorted(row["n"] for row in rows(good.values())) == [n for n in range(10) if n not in bad]
    documents = [json.loads(line) for line in lines(failed.values())]
    assert sorted(base64.b64decode(document["rawData"]) for document in documents) == sorted(bad.values())
    for document in documents:
        catalog = f"arn:aws:glue:us-east-1:{ACCOUNT}:catalog"
        assert set(document) == {
            "attemptsMade", "arrivalTimestamp", "lastErrorCode", "lastErrorMessage", "attemptEndingTimestamp", "rawData",
            "sequenceNumber", "subSequenceNumber", "dataCatalogTable",
        }
        assert document["attemptsMade"] == 1 and document["lastErrorMessage"]
        assert document["lastErrorCode"] in ("DataFormatConversion.ParseError", "DataFormatConversion.MalformedData")
        assert started - 1 <= document["arrivalTimestamp"] <= document["attemptEndingTimestamp"] <= time.time() * 1000 + 1
        assert document["dataCatalogTable"] == {
            "catalogId": ACCOUNT, "databaseName": where[0], "tableName": where[1], "region": "us-east-1",
            "versionId": "LATEST", "catalogArn": catalog,
        }
    codes = {base64.b64decode(document["rawData"]): document["lastErrorCode"] for document in documents}
    assert codes.get(b"{", "DataFormatConversion.ParseError") == "DataFormatConversion.ParseError"
    assert codes.get(b'{"n": "x"}', "DataFormatConversion.MalformedData") == "DataFormatConversion.MalformedData"


def test_new_partitions_are_registered_where_the_table_asks(firehose, s3, glue, bucket):
    keys = [("carrier", "string"), ("month", "int")]
    where = make_table(glue, bucket, {"n": "int"}, "flights/", keys, {"catchment.register_partitions": "true"})
    prefix = "flights/carrier=!{partitionKeyFromQuery:carrier}/month=!{partitionKeyFromQuery:month}/"
    settings = by_keys("{carrier: .carrier, month: .month}", prefix, DataFormatConversionConfiguration=conversion(*where))
    name = make(firehose, bucket, **settings)
    records = [{"carrier": carrier, "month": month, "n": n} for n in range(3) for carrier in ("UA", "AA") for month in (1, 2)]
    put(firehose, name, [json.dumps(record).encode() for record in records])
    delivered(s3, bucket, len(records), records=rows)

    def partitions():
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=where[0], TableName=where[1])
        return {tuple(p["Values"]): p["StorageDescriptor"] for page in pages for p in page["Partitions"]}

    expect = {(carrier, month) for carrier in ("UA", "AA") for month in ("1", "2")}
    eventually(lambda: set(partitions()) == expect)
    storage = partitions()["UA", "1"]
    assert storage["Location"] == f"s3://{bucket}/flights/carrier=UA/month=1/"
    assert [column["Name"] for column in storage["Columns"]] == ["n"]
    # More records for what is there change nothing, and those of a new month add one.
    put(firehose, name, [b'{"carrier": "UA", "month": 1, "n": 9}', b'{"carrier": "UA", "month": 3, "n": 9}'])
    eventually(lambda: set(partitions()) == expect | {("UA", "3")})


def test_partitions_are_not_registered_unasked(firehose, s3, glue, bucket):
    where = make_table(glue, bucket, {"n": "int"}, "t/", [("k", "string")])
    settings = by_keys("{k: .k}", "t/k=!{partitionKeyFromQuery:k}/", DataFormatConversionConfiguration=conversion(*where))
    name = make(firehose, bucket, **{**settings, "BufferingHints": LARGE})
    put(firehose, name, [b'{"k": "a", "n": 1}'])
    delivered(s3, bucket, 1, records=rows)
    put(firehose, name, [b'{"k": "a", "n": 2}'])
    delivered(s3, bucket, 2, records=rows)
    assert glue.get_partitions(DatabaseName=where[0], TableName=where[1])["Partitions"] == []
