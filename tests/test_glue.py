"""The Data Catalog through boto3."""

import concurrent.futures
import uuid

import botocore.config
import botocore.exceptions
import pytest

STORAGE = {
    "Columns": [{"Name": "carrier", "Type": "string", "Comment": "the airline"}, {"Name": "Delay", "Type": "int"}],
    "Location": "s3://lake/flights/",
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe", "Parameters": {"paths": "carrier,delay"}},
    "SkewedInfo": {"SkewedColumnNames": ["carrier"]},
}
TABLE = {
    "Name": "Flights",
    "Owner": "me",
    "Retention": 7,
    "TableType": "EXTERNAL_TABLE",
    "Parameters": {"classification": "json"},
    "StorageDescriptor": STORAGE,
    "PartitionKeys": [{"Name": "Year", "Type": "int"}, {"Name": "month", "Type": "string"}],
}


@pytest.fixture
def glue(client):
    return client("glue")


@pytest.fixture
def database(glue):
    name = f"db_{uuid.uuid4().hex}"
    glue.create_database(DatabaseInput={"Name": name, "Description": "of the test"})
    yield name
    glue.delete_database(Name=name)


@pytest.fixture
def table(glue, database):
    glue.create_table(DatabaseName=database, TableInput=TABLE)
    return {"DatabaseName": database, "TableName": "flights"}


def refused(call, code, text="", **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert text in error["Message"], error


def test_databases(glue, database):
    found = glue.get_database(Name=database.upper())["Database"]
    assert (found["Name"], found["Description"]) == (database, "of the test")
    assert found["CatalogId"] == "000000000000" and found["CreateTime"].year >= 2024
    glue.update_database(Name=database, DatabaseInput={"Name": database, "LocationUri": "s3://lake/"})
    assert glue.get_database(Name=database)["Database"]["LocationUri"] == "s3://lake/"
    refused(glue.create_database, "AlreadyExistsException", "Database already exists.", DatabaseInput={"Name": database})
    refused(glue.get_database, "EntityNotFoundException", "Database nowhere not found.", Name="nowhere")
    refused(glue.delete_database, "EntityNotFoundException", "Database nowhere not found.", Name="nowhere")
    refused(glue.get_database, "EntityNotFoundException", Name=database, CatalogId="123456789012")
    pages = glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 1})
    assert database in [found["Name"] for page in pages for found in page["DatabaseList"]]


def test_the_models_constraints_hold(client, glue):
    lenient = client("glue", config=botocore.config.Config(parameter_validation=False))
    refused(lenient.get_database, "InvalidInputException", "1 validation error detected", Name="")
    refused(lenient.get_databases, "InvalidInputException", "at 'maxResults' failed", MaxResults=101)


def test_what_a_table_is_created_with_comes_back(glue, table):
    found = glue.get_table(DatabaseName=table["DatabaseName"], Name="FLIGHTS")["Table"]
    assert (found["Name"], found["VersionId"], found["Retention"], found["Owner"]) == ("flights", "0", 7, "me")
    assert found["StorageDescriptor"]["SkewedInfo"] == STORAGE["SkewedInfo"]
    assert [column["Name"] for column in found["StorageDescriptor"]["Columns"]] == ["carrier", "delay"]
    assert [column["Name"] for column in found["PartitionKeys"]] == ["year", "month"]
    assert found["StorageDescriptor"]["SerdeInfo"] == STORAGE["SerdeInfo"]
    database = table["DatabaseName"]
    refused(glue.create_table, "AlreadyExistsException", "Table already exists.", DatabaseName=database, TableInput=TABLE)
    refused(glue.get_table, "EntityNotFoundException", "Entity Not Found", DatabaseName=database, Name="boats")
    refused(glue.get_table, "EntityNotFoundException", "Database nowhere not found.", DatabaseName="nowhere", Name="x")


def test_tables_by_pattern_and_page(glue, database):
    for name in ["a_1", "a_2", "b_1"]:
        glue.create_table(DatabaseName=database, TableInput={"Name": name})
    names = [found["Name"] for found in glue.get_tables(DatabaseName=database, Expression="a_.*")["TableList"]]
    assert names == ["a_1", "a_2"]
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database, PaginationConfig={"PageSize": 2})
    assert [len(page["TableList"]) for page in pages] == [2, 1]
    refused(glue.get_tables, "InvalidInputException", DatabaseName=database, NextToken="not ours")
    answer = glue.batch_delete_table(DatabaseName=database, TablesToDelete=["a_1", "nope"])
    assert [(e["TableName"], e["ErrorDetail"]["ErrorCode"]) for e in answer["Errors"]] == [("nope", "EntityNotFoundException")]
    assert [t["Name"] for t in glue.search_tables(SearchText="b_1")["TableList"] if t["DatabaseName"] == database] == ["b_1"]


def test_a_search_goes_on_behind_a_deleted_table(glue, database):
    for name in ["s_1", "s_2", "s_3"]:
        glue.create_table(DatabaseName=database, TableInput={"Name": name, "Description": database})
    search = {"SearchText": database, "SortCriteria": [{"FieldName": "Name", "Sort": "DESC"}]}
    first = glue.search_tables(**search, MaxResults=1)
    assert [table["Name"] for table in first["TableList"]] == ["s_3"]
    glue.delete_table(DatabaseName=database, Name="s_3")
    rest = glue.search_tables(**search, NextToken=first["NextToken"])
    assert [table["Name"] for table in rest["TableList"]] == ["s_2", "s_1"]


def test_racing_updates_have_one_winner(glue, table):
    database = table["DatabaseName"]

    def update(number):
        try:
            changed = {**TABLE, "Parameters": {"writer": str(number)}}
            glue.update_table(DatabaseName=database, TableInput=changed, VersionId="0")
            return number
        except glue.exceptions.ConcurrentModificationException:
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(update, range(8)) if number is not None]
    assert len(winners) == 1
    found = glue.get_table(DatabaseName=database, Name="flights")["Table"]
    assert (found["VersionId"], found["Parameters"]) == ("1", {"writer": str(winners[0])})
    glue.update_table(DatabaseName=database, TableInput=TABLE, SkipArchive=True)
    versions = glue.get_table_versions(**table)["TableVersions"]
    assert [version["VersionId"] for version in versions] == ["2", "0"]
    assert glue.get_table_version(**table, VersionId="0")["TableVersion"]["Table"]["Parameters"] == TABLE["Parameters"]
    errors = glue.batch_delete_table_version(**table, VersionIds=["x", "0", "1"])["Errors"]
    codes = [(error["VersionId"], error["ErrorDetail"]["ErrorCode"]) for error in errors]
    assert codes == [("x", "InvalidInputException"), ("1", "EntityNotFoundException")]


def test_partitions(glue, table):
    def partition(year, month):
        return {"Values": [str(year), month], "StorageDescriptor": {**STORAGE, "Location": f"s3://lake/{year}/{month}/"}}

    months = [f"{month:02}" for month in range(1, 13)]
    for year in (2012, 2013):
        answer = glue.batch_create_partition(**table, PartitionInputList=[partition(year, month) for month in months])
        assert answer["Errors"] == []
    answer = glue.batch_create_partition(**table, PartitionInputList=[partition(2013, "01"), partition(2014, "01")])
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == ["AlreadyExistsException"]
    refused(glue.create_partition, "AlreadyExistsException", "Partition already exists.", **table, PartitionInput=partition(2014, "01"))
    refused(glue.create_partition, "InvalidInputException", "number of partition keys", **table, PartitionInput={"Values": ["1"]})

    def values(**arguments):
        pages = glue.get_paginator("get_partitions").paginate(**table, **arguments, PaginationConfig={"PageSize": 5})
        return sorted(tuple(found["Values"]) for page in pages for found in page["Partitions"])

    assert len(values()) == 25
    # A number compares as a number and text as text.
    assert values(Expression="year > 2012 and month in ('01', '1')") == [("2013", "01"), ("2014", "01")]
    assert values(Expression="(year = '2012' or year = 2014) and not month between '02' and '12'") == [("2012", "01"), ("2014", "01")]
    assert values(Expression="month like '_2' and year <> 2012") == [("2013", "02"), ("2013", "12")]
    refused(glue.get_partitions, "InvalidInputException", "Unsupported expression", **table, Expression="day = 1")
    parts = [values(Segment={"SegmentNumber": number, "TotalSegments": 3}) for number in range(3)]
    assert sorted(sum(parts, [])) == values() and all(len(part) < 25 for part in parts)

    bare = glue.get_partitions(**table, ExcludeColumnSchema=True, MaxResults=1)["Partitions"][0]
    assert bare["StorageDescriptor"]["Columns"] == []
    one = glue.get_partition(**table, PartitionValues=["2013", "01"])["Partition"]
    assert one["StorageDescriptor"]["Location"] == "s3://lake/2013/01/" and one["TableName"] == "flights"
    glue.update_partition(**table, PartitionValueList=["2014", "01"], PartitionInput=partition(2015, "01"))
    refused(glue.get_partition, "EntityNotFoundException", "Cannot find partition.", **table, PartitionValues=["2014", "01"])
    entries = [
        {"PartitionValueList": ["2015", "01"], "PartitionInput": {**partition(2015, "01"), "Parameters": {"rows": "5"}}},
        {"PartitionValueList": ["1999", "01"], "PartitionInput": partition(1999, "01")},
    ]
    assert [e["PartitionValueList"] for e in glue.batch_update_partition(**table, Entries=entries)["Errors"]] == [["1999", "01"]]
    keys = [{"Values": ["2015", "01"]}, {"Values": ["1999", "01"]}]
    found = glue.batch_get_partition(**table, PartitionsToGet=keys)["Partitions"]
    assert [partition["Parameters"] for partition in found] == [{"rows": "5"}]
    assert len(glue.batch_delete_partition(**table, PartitionsToDelete=keys)["Errors"]) == 1
    refused(glue.delete_partition, "EntityNotFoundException", **table, PartitionValues=["2015", "01"])
    # They go with their table.
    glue.delete_table(DatabaseName=table["DatabaseName"], Name="flights")
    glue.create_table(DatabaseName=table["DatabaseName"], TableInput=TABLE)
    assert values() == []


def test_tags(glue, table):
    arn = f"arn:aws:glue:us-east-1:000000000000:table/{table['DatabaseName']}/flights"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1", "b": "2"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["a"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    refused(glue.get_tags, "EntityNotFoundException", ResourceArn=arn + "x")


def test_the_catalog_survives_a_kill(server):
    glue = server.client("glue")
    glue.create_database(DatabaseInput={"Name": "kept"})
    glue.create_table(DatabaseName="kept", TableInput=TABLE)
    glue.create_partition(DatabaseName="kept", TableName="flights", PartitionInput={"Values": ["2013", "1"]})
    server.kill()
    server.start()
    glue = server.client("glue")
    found = glue.get_partitions(DatabaseName="kept", TableName="flights")["Partitions"]
    assert [partition["Values"] for partition in found] == [["2013", "1"]]
