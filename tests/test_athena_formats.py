"""Tables in every format that Athena reads, written by other programs, through boto3."""

import bz2
import datetime
import decimal
import gzip
import io
import json
import struct

import fastavro
import pyarrow as pa
import pyarrow.orc as orc
import pytest

from test_athena import Lake

ACCESS_LOG = r"""127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"
2001:db8::7 - - [11/Oct/2000:00:00:01 +0000] "POST /form?a=b HTTP/1.1" 404 - "-" "curl/8 \"x\""
this is not a line of the log
"""
HIVE = "org.apache.hadoop.hive.serde2"


@pytest.fixture
def lake(client):
    return Lake(client)


def put(lake, key, body):
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=body)


def table(lake, name, columns, row_format, prefix=None, properties=""):
    location = f"LOCATION 's3://{lake.bucket}/{prefix or name}/'"
    lake.run(f"CREATE EXTERNAL TABLE {name} ({columns}) {row_format} {location} {properties}")


def test_a_log_by_a_regular_expression(lake):
    put(lake, "log/access.log", ACCESS_LOG)
    expression = (
        r'^([^ ]*) ([^ ]*) ([^ ]*) \\[([\\w:/]+\\s[+\\-]\\d{4})\\] "(\\S+) (\\S+)\\s*(\\S+)?\\s*" (\\d{3}) (\\S+)'
        r'(?: "([^"]*)" "((?:[^"\\\\]|\\\\.)*)")?$'
    )
    table(
        lake,
        "log",
        "host string, ident string, who string, at string, verb string, path string, version string, status int, "
        "bytes bigint, referrer string, agent string, more string",
        f"ROW FORMAT SERDE '{HIVE}.RegexSerDe' WITH SERDEPROPERTIES ('input.regex'='{expression}')",
    )
    assert lake.rows("SELECT host, who, at, verb, path, status, bytes, agent, more FROM log") == [
        ["127.0.0.1", "frank", "10/Oct/2000:13:55:36 -0700", "GET", "/apache_pb.gif", "200", "2326"]
        + ["Mozilla/4.08 [en] (Win98; I ;Nav)", None],
        ["2001:db8::7", "-", "11/Oct/2000:00:00:01 +0000", "POST", "/form?a=b", "404", None, r"curl/8 \"x\"", None],
        [None] * 9,
    ]
    assert lake.rows("SELECT status, count(*) FROM log WHERE host IS NOT NULL GROUP BY 1 ORDER BY 1") == [["200", "1"], ["404", "1"]]
    # One that would take for ever ends, and one that is none says so.
    for name, wrong, text in [("slow", r"((a*)*)*\\2\\2b", "HIVE_BAD_DATA"), ("none", "(a", "HIVE_INVALID_METADATA")]:
        put(lake, "slow/a.txt", "a" * 60)
        table(
            lake, name, "a string", f"ROW FORMAT SERDE '{HIVE}.RegexSerDe' WITH SERDEPROPERTIES ('input.regex'='{wrong}')", "slow"
        )
        assert text in lake.fails(f"SELECT count(a) FROM {name}")


def test_a_log_by_grok(lake):
    grok = "ROW FORMAT SERDE 'com.amazonaws.glue.serde.GrokSerDe' WITH SERDEPROPERTIES ({}) STORED AS INPUTFORMAT "
    grok += "'org.apache.hadoop.mapred.TextInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'"
    put(lake, "log/access.log", ACCESS_LOG)
    columns = "clientip string, verb string, request string, response int, bytes bigint, agent string"
    table(lake, "log", columns, grok.format("'input.format'='%{COMBINEDAPACHELOG}'"))
    assert lake.rows("SELECT * FROM log") == [
        ["127.0.0.1", "GET", "/apache_pb.gif", "200", "2326", "Mozilla/4.08 [en] (Win98; I ;Nav)"],
        ["2001:db8::7", "POST", "/form?a=b", "404", None, r"curl/8 \"x\""],
        [None] * 6,
    ]
    # The first example of the user guide, whose three columns are what it says they are.
    put(
        lake,
        "mail/log",
        "Feb  9 07:15:00 m4eastmail postfix/smtpd[19305]: B88C4120838: connect from unknown[192.168.55.4]\n"
        "Feb  9 07:15:03 m4eastmail postfix/cleanup[22835]: BDC22A77854: message-id=<312@m4eastmail.example.com>\n",
    )
    table(
        lake,
        "mail",
        "syslogbase string, queue_id string, syslog_message string",
        grok.format(
            "'input.grokCustomPatterns'='POSTFIX_QUEUEID [0-9A-F]{{7,12}}\\nOTHER x', "
            "'input.format'='%{{SYSLOGBASE}} %{{POSTFIX_QUEUEID:queue_id}}: %{{GREEDYDATA:syslog_message}}'"
        ).replace("{{", "{").replace("}}", "}"),
    )
    assert lake.rows("SELECT queue_id, syslog_message FROM mail WHERE syslogbase LIKE '%cleanup%'") == [
        ["BDC22A77854", "message-id=<312@m4eastmail.example.com>"]
    ]


def test_quoted_fields(lake):
    put(lake, "csv/a.csv", '﻿name,n,at,day\r\n"Doe, ""Jo""",1,1579059880000,18276\r\n"tab\\t",2,-1,-1\r\n\r\n')
    csv = f"ROW FORMAT SERDE '{HIVE}.OpenCSVSerde'"
    table(lake, "csv", "name string, n int, at timestamp, day date", csv, properties="TBLPROPERTIES ('skip.header.line.count'='1')")
    assert lake.rows("SELECT * FROM csv") == [
        ['Doe, "Jo"', "1", "2020-01-15 03:44:40.000", "2020-01-15"],
        ["tabt", "2", "1969-12-31 23:59:59.999", "1969-12-31"],
        [None] * 4,
    ]
    # Line breaks within values are documented as not supported: a line is a row, and what is in quotes that do not end
    # is lost.
    put(lake, "broken/a.csv", '1,"two\nlines",3\n4,plain,6\n')
    table(lake, "broken", "a string, b string, c string", csv)
    assert lake.rows("SELECT * FROM broken") == [["1", None, None], [None] * 3, ["4", "plain", "6"]]
    signs = csv + " WITH SERDEPROPERTIES ('separatorChar'='\\t', 'quoteChar'='`', 'escapeChar'='\\\\')"
    put(lake, "signs/a.tsv", "`a\tb`\t`\\`x\\\\`\tplain\n")
    table(lake, "signs", "a string, b string, c string", signs)
    assert lake.rows("SELECT * FROM signs") == [["a\tb", "`x\\", "plain"]]
    put(lake, "empty/a.csv", "1,\n")
    table(lake, "empty", "a int, b int", csv)
    assert "HIVE_BAD_DATA: Error parsing field value '' for field 1" in lake.fails("SELECT * FROM empty")
    table(lake, "nulls", "a int, b int", csv, "empty", "TBLPROPERTIES ('use.null.for.invalid.data'='TRUE')")
    assert lake.rows("SELECT * FROM nulls") == [["1", None]]


def test_delimited_fields(lake):
    put(lake, "tsv/a.tsv", "n\twhat\tday\n1\tone\t2020-02-29\n2\t\\N\t\nx\ty\tz\tmore\n3\n")
    tsv = "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' LINES TERMINATED BY '\\n'"
    table(lake, "tsv", "n int, what string, day date", tsv, properties="TBLPROPERTIES ('skip.header.line.count'='1')")
    assert lake.rows("SELECT * FROM tsv") == [
        ["1", "one", "2020-02-29"],
        ["2", None, None],
        [None, "y", None],
        ["3", None, None],
    ]
    put(lake, "nested/a", "1\x01a\x02b\x01k\x03v\x02l\x03w\x015\x02x\x03y\n2\x01\x01\x01\n")
    table(lake, "nested", "n int, l array<string>, m map<string,string>, s struct<i:int,a:array<string>>", "")
    assert lake.rows("SELECT n, l[2], m['l'], s.i, s.a[2] FROM nested WHERE n = 1") == [["1", "b", "w", "5", "y"]]
    assert lake.rows("SELECT cardinality(l), cardinality(m), s.i FROM nested WHERE n = 2") == [["0", "0", None]]
    escaped = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' ESCAPED BY '\\\\' COLLECTION ITEMS TERMINATED BY '|'"
    put(lake, "escaped/a", "a\\,b,c\\|d|e\n\\N,\n")
    table(lake, "escaped", "a string, l array<string>", escaped)
    assert lake.rows("SELECT a, l[1], cardinality(l) FROM escaped WHERE a IS NOT NULL") == [["a,b", "c|d", "2"]]
    assert lake.rows("SELECT count(*) FROM escaped WHERE a IS NULL") == [["1"]]
    put(lake, "nothing/a", "1,,x\n")
    table(
        lake, "nothing", "a int, b string, c string", "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','", None,
        "TBLPROPERTIES ('serialization.null.format'='')",
    )
    assert lake.rows("SELECT * FROM nothing") == [["1", None, "x"]]


def hadoop_snappy(data):
    blocks = [data[at : at + 70_000] for at in range(0, len(data), 70_000)]
    packed = [pa.Codec("snappy").compress(block, asbytes=True) for block in blocks]
    return b"".join(struct.pack(">II", len(b), len(p)) + p for b, p in zip(blocks, packed))


@pytest.mark.parametrize("ending, pack", [
    ("gz", gzip.compress),
    ("bz2", bz2.compress),
    ("zst", lambda data: pa.compress(data, "zstd", asbytes=True)),
    ("snappy", hadoop_snappy),
])
def test_packed_text(lake, ending, pack):
    lines = [json.dumps({"n": n, "text": f"row {n}"}) + "\n" for n in range(20_000)]
    # Two streams in one file, as programs that pack in parallel write them.
    half = len(lines) // 2
    packed = b"".join(pack("".join(part).encode()) for part in (lines[:half], lines[half:]))
    put(lake, f"t/a.json.{ending}", packed)
    table(lake, "t", "n int, text string", "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'")
    execution = lake.run("SELECT count(*), sum(n), max(text) FROM t")
    assert execution["Statistics"]["DataScannedInBytes"] == len(packed)
    assert lake.rows("SELECT count(*), sum(n), max(text) FROM t") == [["20000", "199990000", "row 9999"]]
    put(lake, f"t/b.json.{ending}", packed[:-5])
    assert "HIVE_CURSOR_ERROR" in lake.fails("SELECT count(*) FROM t")


ROWS = 30_000


def columns():
    return {
        "Id": pa.array(range(ROWS), pa.int32()),
        "name": pa.array([None if n % 5 == 0 else f"row {n}" for n in range(ROWS)]),
        "price": pa.array([decimal.Decimal(n) / 4 for n in range(ROWS)], pa.decimal128(12, 2)),
        "at": pa.array([datetime.datetime(2020, 2, 29, 12, 0, n % 60, 500_000) for n in range(ROWS)], pa.timestamp("ns")),
        "day": pa.array([datetime.date(1969, 12, 31)] * ROWS),
        "half": pa.array([n / 2 for n in range(ROWS)], pa.float32()),
        "tags": pa.array([[{"Key": str(n), "n": n}] for n in range(ROWS)]),
        "counts": pa.array([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int64())),
    }


COLUMNS = (
    "id bigint, name string, price decimal(14,4), at timestamp, day date, half double, "
    "tags array<struct<n:bigint,key:string>>, counts map<string,int>, later string"
)
ANSWER = ["7", "row 7", "1.7500", "2020-02-29 12:00:07.500", "1969-12-31", "3.5", "[{n=7, key=7}]", "7", None]
QUESTION = "SELECT id, name, price, at, day, half, tags, counts['k'], later FROM t WHERE id = 7"


@pytest.mark.parametrize("compression", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_orc_of_arrow(lake, compression):
    out = io.BytesIO()
    orc.write_table(pa.table(columns()), out, compression=compression, stripe_size=64 << 10, batch_size=1_000)
    assert orc.ORCFile(io.BytesIO(out.getvalue())).nstripes > 1
    put(lake, "t/part-0.orc", out.getvalue())
    table(lake, "t", COLUMNS, "STORED AS ORC")
    assert lake.rows(QUESTION) == [ANSWER]
    assert lake.rows("SELECT count(*), sum(id), count(name), max(counts['k']) FROM t") == [
        [str(ROWS), str(ROWS * (ROWS - 1) // 2), str(ROWS * 4 // 5), str(ROWS - 1)]
    ]
    scanned = lambda text: lake.run(text)["Statistics"]["DataScannedInBytes"]
    assert scanned("SELECT sum(id) FROM t") * 2 < scanned("SELECT * FROM t")
    table(lake, "wrong", "id string", "STORED AS ORC", "t")
    assert "HIVE_BAD_DATA: Malformed ORC file. Cannot read SQL type 'varchar' from ORC stream" in lake.fails("SELECT id FROM wrong")


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2"])
def test_avro_of_fastavro(lake, codec):
    schema = {
        "type": "record",
        "name": "Row",
        "namespace": "a.b",
        "fields": [
            {"name": "Id", "type": "int"},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
            {"name": "half", "type": "float"},
            {"name": "tags", "type": {"type": "array", "items": {"type": "record", "name": "Tag", "fields": [
                {"name": "Key", "type": "string"}, {"name": "n", "type": "int"}]}}},
            {"name": "counts", "type": {"type": "map", "values": "long"}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["EVEN", "ODD"]}},
            {"name": "first", "type": ["null", "Tag"]},
        ],
    }
    arrow = pa.table(columns())
    arrow = arrow.set_column(3, "at", arrow["at"].cast(pa.timestamp("ms", "UTC")))
    records = [{**row, "counts": dict(row["counts"]), "kind": ["EVEN", "ODD"][row["Id"] % 2], "first": row["tags"][0]}
               for row in arrow.to_pylist()]
    out = io.BytesIO()
    fastavro.writer(out, schema, records, codec=codec)
    put(lake, "t/part-0.avro", out.getvalue())
    table(lake, "t", COLUMNS, "STORED AS AVRO")
    assert lake.rows(QUESTION) == [ANSWER]
    assert lake.rows("SELECT count(*), sum(id), count(name), max(counts['k']) FROM t") == [
        [str(ROWS), str(ROWS * (ROWS - 1) // 2), str(ROWS * 4 // 5), str(ROWS - 1)]
    ]
    # A type that is named in a column which is not read.
    table(lake, "firsts", "first struct<n:int>", "STORED AS AVRO", "t")
    assert lake.rows("SELECT max(first.n) FROM firsts") == [["29999"]]
    # The table's own schema has a field of its own, and another type.
    literal = json.dumps({"type": "record", "name": "Other", "fields": [
        {"name": "Id", "type": ["null", "long"], "default": None},
        {"name": "kind", "type": "string"},
        {"name": "level", "type": "string", "default": "low"},
    ]})
    serde = f"ROW FORMAT SERDE '{HIVE}.avro.AvroSerDe' WITH SERDEPROPERTIES ('avro.schema.literal'='{literal}') STORED AS "
    serde += "INPUTFORMAT 'org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat' OUTPUTFORMAT "
    serde += "'org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat'"
    table(lake, "kinds", "id bigint, kind string", "STORED AS AVRO", "t")
    assert lake.rows("SELECT kind, count(*) FROM kinds GROUP BY 1 ORDER BY 1") == [["EVEN", "15000"], ["ODD", "15000"]]
    table(lake, "own", "id bigint, level string", serde.replace('{"name": "kind", "type": "string"}, ', ""), "t")
    assert lake.rows("SELECT level, max(id) FROM own GROUP BY level") == [["low", "29999"]]
    table(lake, "wrong", "name int", "STORED AS AVRO", "t")
    assert "HIVE_BAD_DATA: Cannot read SQL type 'integer' from the Avro column 'name'" in lake.fails("SELECT name FROM wrong")
