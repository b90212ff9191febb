"""Athena through boto3: statements, their states, and their results in the API and in S3."""

import csv
import io
import time
import uuid

import botocore.config
import botocore.exceptions
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

WAIT_SECONDS_MAX = 60


class Lake:
    """A bucket and a database of the test's own."""

    def __init__(self, make_client):
        path = botocore.config.Config(s3={"addressing_style": "path"})
        self.s3, self.glue, self.athena = make_client("s3", config=path), make_client("glue"), make_client("athena")
        self.bucket, self.database = f"lake-{uuid.uuid4().hex}", f"db_{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})
        self.output = f"s3://{self.bucket}/results/"

    def start(self, query, **arguments):
        arguments.setdefault("ResultConfiguration", {"OutputLocation": self.output})
        context = {"Database": self.database, "Catalog": "AwsDataCatalog"}
        answer = self.athena.start_query_execution(QueryString=query, QueryExecutionContext=context, **arguments)
        return answer["QueryExecutionId"]

    def wait(self, query_id):
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            execution = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            assert time.monotonic() < deadline, execution
            time.sleep(0.002)

    def run(self, query, **arguments):
        execution = self.wait(self.start(query, **arguments))
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return execution

    def rows(self, query, **arguments):
        """Cells by rows, without the header."""
        execution = self.run(query, **arguments)
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"])
        rows = [[datum.get("VarCharValue") for datum in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
        return rows[1:] if execution["StatementType"] == "DML" else rows

    def fails(self, query, **arguments):
        execution = self.wait(self.start(query, **arguments))
        assert execution["Status"]["State"] == "FAILED", execution
        assert execution["Status"]["AthenaError"]["ErrorMessage"] == execution["Status"]["StateChangeReason"]
        return execution["Status"]["StateChangeReason"]

    def text(self, url):
        bucket, key = url.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def lake(client):
    return Lake(client)


def refused(call, text, code="InvalidRequestException", **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code and text in error["Message"], error


def protobuf(data):
    """Fields as (number, value), in order."""
    fields, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            length = varint()
            fields.append((tag >> 3, data[at : at + length]))
            at += length
        else:
            fields.append((tag >> 3, varint()))
    return fields


def test_a_select_from_start_to_files(lake):
    execution = lake.run("SELECT 1 AS one, 'x\"y' AS text, NULL AS nothing, '' AS empty, 1.5e0 AS half")
    query_id = execution["QueryExecutionId"]
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"{lake.output}{query_id}.csv"
    assert lake.text(location) == b'"one","text","nothing","empty","half"\n"1","x""y",,"","1.5"\n'
    assert (execution["StatementType"], execution["SubstatementType"], execution["WorkGroup"]) == ("DML", "SELECT", "primary")
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    results = lake.athena.get_query_results(QueryExecutionId=query_id)
    assert results["ResultSet"]["Rows"] == [
        {"Data": [{"VarCharValue": name} for name in ["one", "text", "nothing", "empty", "half"]]},
        {"Data": [{"VarCharValue": "1"}, {"VarCharValue": 'x"y'}, {}, {"VarCharValue": ""}, {"VarCharValue": "1.5"}]},
    ]
    columns = results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [column["Type"] for column in columns] == ["integer", "varchar", "unknown", "varchar", "double"]
    assert (columns[1]["Label"], columns[1]["CaseSensitive"], columns[0]["Precision"]) == ("text", True, 10)
    described = [dict(protobuf(value)) for number, value in protobuf(lake.text(location + ".metadata")) if number == 4]
    assert [column[4] for column in described] == [b"one", b"text", b"nothing", b"empty", b"half"]
    assert [column[6] for column in described] == [b"integer", b"varchar", b"unknown", b"varchar", b"double"]
    assert (described[0][1], described[0][9], described[1][10]) == (b"hive", 3, 1)


def test_results_in_pages(lake):
    query_id = lake.run("SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n) ORDER BY n")["QueryExecutionId"]
    first = lake.athena.get_query_results(QueryExecutionId=query_id, MaxResults=10)
    assert [row["Data"][0]["VarCharValue"] for row in first["ResultSet"]["Rows"]] == ["n"] + [str(n) for n in range(1, 10)]
    second = lake.athena.get_query_results(QueryExecutionId=query_id, NextToken=first["NextToken"])
    assert len(second["ResultSet"]["Rows"]) == 1000 and second["ResultSet"]["Rows"][0]["Data"][0]["VarCharValue"] == "10"
    assert lake.rows("SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n) ORDER BY n") == [[str(n)] for n in range(1, 2501)]


def test_parquet_by_partitions(lake):
    for month in (1, 2):
        table = pa.table({"carrier": ["UA", "AA"] * 500, "delay": pa.array(range(1000), pa.int32())})
        out = io.BytesIO()
        pq.write_table(table, out)
        lake.s3.put_object(Bucket=lake.bucket, Key=f"flights/month={month}/part-0.parquet", Body=out.getvalue())
    lake.run(
        "CREATE EXTERNAL TABLE flights (carrier string, delay int) PARTITIONED BY (month int) "
        f"STORED AS PARQUET LOCATION 's3://{lake.bucket}/flights/'"
    )
    assert lake.rows("MSCK REPAIR TABLE flights")[1] == ["Repair: Added partition to metastore flights:month=1"]
    assert lake.rows("SHOW PARTITIONS flights") == [["month=1"], ["month=2"]]
    query = "SELECT carrier, count(*), avg(delay) FROM flights WHERE month = 2 GROUP BY 1 ORDER BY 1"
    assert lake.rows(query) == [["AA", "500", "500.0"], ["UA", "500", "499.0"]]
    scanned = lambda text: lake.run(text)["Statistics"]["DataScannedInBytes"]
    assert 0 < scanned("SELECT sum(delay) FROM flights WHERE month = 2") < scanned("SELECT sum(delay) FROM flights")
    found = lake.glue.get_table(DatabaseName=lake.database, Name="flights")["Table"]
    assert found["Parameters"]["EXTERNAL"] == "TRUE"
    metadata = lake.athena.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=lake.database, TableName="flights"
    )["TableMetadata"]
    assert [column["Name"] for column in metadata["PartitionKeys"]] == ["month"]


def test_definitions_and_their_text_files(lake):
    execution = lake.run(f"CREATE EXTERNAL TABLE t (a int COMMENT 'an a') LOCATION 's3://{lake.bucket}/t/'")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DDL", "CREATE_TABLE")
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    assert lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["Rows"] == []
    execution = lake.run("DESCRIBE t")
    line = "a                   \tint                 \tan a                "
    assert lake.text(execution["ResultConfiguration"]["OutputLocation"]).decode() == line + "\n"
    results = lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert results["ResultSet"]["Rows"] == [{"Data": [{"VarCharValue": line}]}]
    assert [c["Name"] for c in results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]] == ["col_name", "data_type", "comment"]
    assert lake.rows("SHOW TABLES") == [["t"]]
    assert "FAILED: SemanticException [Error 10001]: Table not found" in lake.fails("DROP TABLE nope")
    lake.run("DROP TABLE t")
    assert lake.rows("SHOW TABLES") == []


def test_mistakes_are_told(lake):
    start = lake.athena.start_query_execution
    refused(start, "No output location provided", QueryString="SELECT 1")
    refused(start, "not a valid S3 path", QueryString="SELECT 1", ResultConfiguration={"OutputLocation": "/tmp"})
    refused(lake.start, "line 1:1: mismatched input 'SELEC'", query="SELEC 1")
    refused(lake.start, "WorkGroup nope is not found", query="SELECT 1", WorkGroup="nope")
    refused(lake.athena.get_query_execution, "was not found", QueryExecutionId=str(uuid.uuid4()))
    assert f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{lake.database}.nope'" in lake.fails("SELECT * FROM nope")
    assert "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved" in lake.fails("SELECT nope")
    assert "DIVISION_BY_ZERO" in lake.fails("SELECT 1 / (n - 1) FROM (VALUES 1) AS t(n)")
    assert "NOT_SUPPORTED" in lake.fails("CREATE TABLE x AS SELECT 1")
    assert "TABLESAMPLE" in lake.fails("SELECT 1 FROM information_schema.tables TABLESAMPLE BERNOULLI (10)")
    missing = {"OutputLocation": f"s3://missing-{uuid.uuid4().hex}/"}
    assert "The specified bucket does not exist" in lake.fails("SELECT 1", ResultConfiguration=missing)
    query_id = lake.start("SELECT nope")
    lake.wait(query_id)
    refused(lake.athena.get_query_results, "Final query state: FAILED", QueryExecutionId=query_id)


def test_a_token_starts_one_query(lake):
    token = uuid.uuid4().hex
    first = lake.start("SELECT 1", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=token) == first
    refused(lake.start, "Idempotent parameters do not match", query="SELECT 2", ClientRequestToken=token)


# A sequence has at most 10,000 entries, as in the service.
TEN_THOUSAND = "UNNEST(sequence(1, 10000))"
ENDLESS = (
    f"SELECT count(*) FROM {TEN_THOUSAND} AS a(x) CROSS JOIN {TEN_THOUSAND} AS b(y) CROSS JOIN {TEN_THOUSAND} AS c(z) "
    "WHERE x + y + z = 0"
)


def test_a_running_query_is_stopped(lake):
    query_id = lake.start(ENDLESS)
    refused(lake.athena.get_query_results, "Query has not yet finished", QueryExecutionId=query_id)
    lake.athena.stop_query_execution(QueryExecutionId=query_id)
    assert lake.wait(query_id)["Status"]["State"] == "CANCELLED"
    lake.athena.stop_query_execution(QueryExecutionId=query_id)


def test_work_groups(lake):
    name, athena = f"group-{uuid.uuid4().hex}", lake.athena
    configuration = {"ResultConfiguration": {"OutputLocation": lake.output + "group/"}, "BytesScannedCutoffPerQuery": 10_000_000}
    athena.create_work_group(Name=name, Configuration=configuration, Tags=[{"Key": "k", "Value": "v"}])
    refused(athena.create_work_group, "already created", Name=name)
    execution = lake.run("SELECT 1", WorkGroup=name)
    # The group's own location holds, because it enforces its configuration.
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(lake.output + "group/")
    arn = f"arn:aws:athena:us-east-1:000000000000:workgroup/{name}"
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    assert athena.list_query_executions(WorkGroup=name)["QueryExecutionIds"] == [execution["QueryExecutionId"]]
    assert {"primary", name} <= {group["Name"] for group in athena.list_work_groups()["WorkGroups"]}

    body = "".join(f"{n},{'x' * 100}\n" for n in range(150_000))
    lake.s3.put_object(Bucket=lake.bucket, Key="wide/a.csv", Body=body.encode())
    lake.run(f"CREATE EXTERNAL TABLE wide (n int, x string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{lake.bucket}/wide/'")
    cut = lake.wait(lake.start("SELECT max(x) FROM wide", WorkGroup=name))
    assert (cut["Status"]["State"], cut["Status"]["StateChangeReason"][:27]) == ("CANCELLED", "Bytes scanned limit was exc")
    # Each of the engine's readers may have asked for one more piece; none goes on to the end.
    assert 10_000_000 < cut["Statistics"]["DataScannedInBytes"] < 15_000_000 < len(body)

    athena.update_work_group(WorkGroup=name, State="DISABLED", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True})
    found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
    assert found["State"] == "DISABLED" and "BytesScannedCutoffPerQuery" not in found["Configuration"]
    assert found["Configuration"]["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    refused(lake.start, "is disabled", query="SELECT 1", WorkGroup=name)
    refused(athena.delete_work_group, "is not empty", WorkGroup=name)
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    refused(athena.get_work_group, "is not found", WorkGroup=name)


def test_named_and_prepared_statements(lake):
    athena = lake.athena
    query_id = athena.create_named_query(Name="mine", Database=lake.database, QueryString="SELECT 1")["NamedQueryId"]
    assert athena.get_named_query(NamedQueryId=query_id)["NamedQuery"]["QueryString"] == "SELECT 1"
    again = {"Name": "twice", "Database": lake.database, "QueryString": "SELECT 2", "ClientRequestToken": uuid.uuid4().hex}
    assert athena.create_named_query(**again)["NamedQueryId"] == athena.create_named_query(**again)["NamedQueryId"]
    refused(athena.create_named_query, "Idempotent parameters do not match", **{**again, "QueryString": "SELECT 3"})
    athena.delete_named_query(NamedQueryId=query_id)
    refused(athena.get_named_query, "was not found", NamedQueryId=query_id)
    name = f"p_{uuid.uuid4().hex}"
    athena.create_prepared_statement(StatementName=name, WorkGroup="primary", QueryStatement="SELECT ? + 1, ?")
    assert lake.rows(f"EXECUTE {name} USING 41, 'x'") == [["42", "x"]]
    assert lake.rows("SELECT ?, '?'", ExecutionParameters=["7"]) == [["7", "?"]]
    refused(lake.start, "Incorrect number of parameters", query="SELECT ?, ?", ExecutionParameters=["7"])
    # A parameter is one value, whatever stands around it.
    assert lake.rows("SELECT 5-?", ExecutionParameters=["-1"]) == [["6"]]
    assert lake.rows("SELECT 1 = 2 AND ?", ExecutionParameters=["false OR true"]) == [["false"]]
    refused(lake.start, "mismatched input", query="SELECT ?", ExecutionParameters=["1) UNION (SELECT 2"])
    athena.delete_prepared_statement(StatementName=name, WorkGroup="primary")
    refused(athena.get_prepared_statement, "was not found", "ResourceNotFoundException", StatementName=name, WorkGroup="primary")


def test_metadata(lake):
    catalog = {"CatalogName": "AwsDataCatalog"}
    pages = lake.athena.get_paginator("list_databases").paginate(**catalog)
    assert lake.database in [database["Name"] for page in pages for database in page["DatabaseList"]]
    refused(lake.athena.get_database, "Database nope not found.", "MetadataException", **catalog, DatabaseName="nope")
    assert lake.athena.list_data_catalogs()["DataCatalogsSummary"][0]["CatalogName"] == "AwsDataCatalog"


def test_what_ran_is_known_after_a_kill(server):
    lake = Lake(server.client)
    done = lake.run("SELECT 42 AS answer")["QueryExecutionId"]
    running = lake.start(ENDLESS)
    server.kill()
    server.start()
    lake.athena = server.client("athena")
    results = lake.athena.get_query_results(QueryExecutionId=done)["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in results] == ["answer", "42"]
    status = lake.wait(running)["Status"]
    assert status["State"] == "FAILED" and "The server stopped" in status["StateChangeReason"]


def test_the_csv_is_what_csv_readers_read(lake):
    execution = lake.run("SELECT * FROM (VALUES ('a,b', 1), ('line\nbreak', 2), (NULL, 3)) AS t(text, n) ORDER BY n")
    text = lake.text(execution["ResultConfiguration"]["OutputLocation"]).decode()
    assert list(csv.reader(io.StringIO(text))) == [["text", "n"], ["a,b", "1"], ["line\nbreak", "2"], ["", "3"]]


def test_buckets_of_other_accounts_are_closed(client, lake):
    path = botocore.config.Config(s3={"addressing_style": "path"})
    theirs = client("s3", aws_access_key_id="123456789012", config=path)
    bucket = f"theirs-{uuid.uuid4().hex}"
    theirs.create_bucket(Bucket=bucket)
    theirs.put_object(Bucket=bucket, Key="t/a.csv", Body=b"1\n")
    reason = lake.fails("SELECT 1", ResultConfiguration={"OutputLocation": f"s3://{bucket}/"})
    assert reason.startswith(f"Access denied when writing output to url: s3://{bucket}/")
    lake.run(f"CREATE EXTERNAL TABLE theirs (a int) LOCATION 's3://{bucket}/t/'")
    assert f"Permission denied on S3 path: s3://{bucket}/t/" in lake.fails("SELECT * FROM theirs")


def test_a_statement_that_is_too_deep_is_refused(lake):
    refused(lake.start, "statement is too large", query="SELECT " + "1+" * 130_000 + "1")
    assert lake.rows("SELECT " + "1+" * 1_000 + "1") == [["1001"]]


def test_parquet_columns_with_capitals(lake):
    nested = pa.array([{"DeepOne": 7}], pa.struct([("DeepOne", pa.int64())]))
    out = io.BytesIO()
    pq.write_table(pa.table({"FlightDate": ["a"], "Nested": nested}), out)
    lake.s3.put_object(Bucket=lake.bucket, Key="caps/a.parquet", Body=out.getvalue())
    lake.run(
        "CREATE EXTERNAL TABLE caps (flightdate string, nested struct<deepone:bigint>) "
        f"STORED AS PARQUET LOCATION 's3://{lake.bucket}/caps/'"
    )
    assert lake.rows("SELECT flightdate, nested.deepone FROM caps WHERE flightdate = 'a'") == [["a", "7"]]


def test_settings_of_the_client_and_of_its_group_are_merged(lake):
    name = f"group-{uuid.uuid4().hex}"
    configuration = {"ResultConfiguration": {"OutputLocation": lake.output}, "EnforceWorkGroupConfiguration": False}
    lake.athena.create_work_group(Name=name, Configuration=configuration)
    own = {"EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}}
    result = lake.run("SELECT 1", WorkGroup=name, ResultConfiguration=own)["ResultConfiguration"]
    assert result["OutputLocation"].startswith(lake.output)
    assert result["EncryptionConfiguration"] == own["EncryptionConfiguration"]


def test_results_that_were_overwritten_are_refused(lake):
    execution = lake.run("SELECT 1")
    query_id, url = execution["QueryExecutionId"], execution["ResultConfiguration"]["OutputLocation"]
    lake.s3.put_object(Bucket=lake.bucket, Key=url.split("/", 3)[3], Body=b"x" * 50_000_000)
    refused(lake.athena.get_query_results, "results cannot be read", QueryExecutionId=query_id)


def test_small_queries_are_quick(lake):
    lake.run("SELECT 1")
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        query_id = lake.start("SELECT 1")
        lake.wait(query_id)
        lake.athena.get_query_results(QueryExecutionId=query_id)
        times.append(time.perf_counter() - begun)
    print(f"smallest query: median {sorted(times)[10] * 1000:.1f} ms, longest {max(times) * 1000:.1f} ms")
    assert sorted(times)[10] < 0.25, times
