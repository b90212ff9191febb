"""Files of formats that the API has no serializer for: a table's parameter `catchment.output_format`."""

import io
import json
import math
import struct

import fastavro
from conftest import eventually, refused
from delivery_streams import ERRORS, LARGE, TYPES, conversion, delivered, lines, make, make_table, objects, put
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from test_commands import command


def asking(firehose, glue, bucket, columns, **parameters):
    """A delivery stream that converts by a table with these parameters."""
    where = make_table(glue, bucket, columns, parameters={f"catchment.{name}": value for name, value in parameters.items()})
    return where, make(
        firehose, bucket, Prefix="table/", ErrorOutputPrefix=ERRORS, BufferingHints=LARGE,
        DataFormatConversionConfiguration=conversion(*where),
    )


def record_class():
    """SageMaker's message `Record`, as far as tensors of floating-point numbers go (SageMaker Developer Guide, "Common
    Data Formats for Training")."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")

    def message(name, *fields, within=file.message_type):
        made = within.add(name=name)
        for number, its_name, kind, label, more in fields:
            made.field.add(name=its_name, number=number, type=kind, label=label, **more)
        return made

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    packed = {"options": descriptor_pb2.FieldOptions(packed=True)}
    of = lambda name: {"type_name": f".aialgs.data.{name}"}
    message("Float32Tensor", (1, "values", field.TYPE_FLOAT, many, packed))
    message("Float64Tensor", (1, "values", field.TYPE_DOUBLE, many, packed))
    message(
        "Value",
        (2, "float32_tensor", field.TYPE_MESSAGE, one, of("Float32Tensor")),
        (3, "float64_tensor", field.TYPE_MESSAGE, one, of("Float64Tensor")),
    )
    record = message(
        "Record",
        (1, "features", field.TYPE_MESSAGE, many, of("Record.FeaturesEntry")),
        (2, "label", field.TYPE_MESSAGE, many, of("Record.LabelEntry")),
    )
    for name in "FeaturesEntry", "LabelEntry":
        entry = message(
            name, (1, "key", field.TYPE_STRING, one, {}), (2, "value", field.TYPE_MESSAGE, one, of("Value")), within=record.nested_type
        )
        entry.options.map_entry = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


Record = record_class()


def record_io(contents, tensor="float32_tensor"):
    """Features and label of each record."""
    found = []
    for content in contents:
        at = 0
        while at < len(content):
            magic, length = struct.unpack_from("<II", content, at)
            assert magic == 0xCED7230A
            record = Record.FromString(content[at + 8 : at + 8 + length])
            at += 8 + (length + 3) // 4 * 4
            values = lambda part: [list(getattr(value, tensor).values) for name, value in part.items() if name == "values"]
            found.append((values(record.features), values(record.label)))
    return found


def test_record_io_for_sagemaker(firehose, glue, s3, bucket):
    columns = {"clicked": "boolean", "age": "int", "price": "decimal(9,2)", "recent": "array<float>"}
    _, name = asking(firehose, glue, bucket, columns, output_format="recordio-protobuf", recordio_label="clicked")
    sent = [
        {"clicked": n % 2 == 0, "age": n, "price": n / 4, "recent": [n + 0.5, n - 0.5]} for n in range(1000)
    ]
    put(firehose, name, [json.dumps(record).encode() for record in sent] + [b'{"age": "old"}', b'{"recent": [1]}'])
    found = delivered(s3, bucket, 1001, "table/", record_io)
    assert all(key.endswith(".pbr") for key in found)
    got = record_io(found.values())
    # What is NULL is not a number among the features, and no label.
    (([age, price, one],), label) = got.pop([label for _, label in got].index([]))
    assert math.isnan(age) and math.isnan(price) and (one, label) == (1, [])
    expect = [([[record["age"], record["price"], *record["recent"]]], [[float(record["clicked"])]]) for record in sent]
    assert sorted(got) == sorted(expect)
    (failure,) = lines(delivered(s3, bucket, 1, "errors/format-conversion-failed/").values())
    assert "column age (int)" in json.loads(failure)["lastErrorMessage"]


def test_a_wish_that_cannot_be_met_waits_until_it_is_mended(firehose, glue, s3, bucket, shared_server):
    columns = {"word": "string", "n": "double"}
    wrong = {"output_format": "recordio-protobuf", "recordio_tensor": "int32"}
    with refused("InvalidArgumentException", 'The schema is invalid: catchment.recordio_tensor is "int32"; float32'):
        asking(firehose, glue, bucket, columns, **wrong)
    (database, table), name = asking(firehose, glue, bucket, columns, output_format="avro")

    def told(why):
        (one,) = [each for each in json.loads(command(shared_server, "deliveries", "--json").stdout) if each["name"] == name]
        return why in (one["last_error"] or "")

    def ask(**parameters):
        there = glue.get_table(DatabaseName=database, Name=table)["Table"]
        wanted = {f"catchment.{name}": value for name, value in parameters.items()}
        changed = {"Name": table, "StorageDescriptor": there["StorageDescriptor"], "Parameters": wanted}
        glue.update_table(DatabaseName=database, TableInput=changed)

    ask(**wrong)
    put(firehose, name, [b'{"word": "a", "n": 0.1}'])
    eventually(lambda: told('catchment.recordio_tensor is "int32"; float32 and float64 can be had'))
    ask(output_format="recordio-protobuf", recordio_label="m")
    eventually(lambda: told("column word of type string is no number"))
    ask(output_format="tables")
    eventually(lambda: told('catchment.output_format is "tables"; besides the serializers there are avro and recordio-protobuf'))
    ask(output_format="avro")
    (content,) = delivered(s3, bucket, 1, "table/", avro).values()
    assert avro([content]) == [{"word": "a", "n": 0.1}]
    assert objects(s3, bucket, "errors/") == {}


def avro(contents):
    return [row for content in contents for row in fastavro.reader(io.BytesIO(content))]


def test_a_file_has_no_block_without_rows(firehose, glue, s3, bucket):
    """By which Java's reader would take it to end there."""
    _, name = asking(firehose, glue, bucket, {"n": "int"}, output_format="avro")
    refused = [json.dumps({"n": "x" * 900_000}).encode()] * 8
    firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 3}},
    )
    put(firehose, name, [b'{"n": 1}', *refused[:4]])
    put(firehose, name, [*refused[4:], b'{"n": 2}'])
    found = delivered(s3, bucket, 2, "table/", avro)
    for content in found.values():
        blocks = [block.num_records for block in fastavro.block_reader(io.BytesIO(content))]
        assert blocks and 0 not in blocks


def test_avro(firehose, glue, s3, bucket):
    _, name = asking(firehose, glue, bucket, TYPES, output_format="avro")
    sent = {
        "b": True, "i": -5, "l": 2**60, "d": 1.5, "s": "snow ❄ \" \\", "m": 12.34, "t": "2013-01-01 05:15:00",
        "day": "2013-01-01", "list": [1, None, 3], "pair": {"x": 1, "y": "z"},
    }
    put(firehose, name, [json.dumps(sent).encode(), b"{}", b"[]"])
    found = delivered(s3, bucket, 2, "table/", avro)
    assert all(key.endswith(".avro") for key in found)
    whole, empty = sorted(avro(found.values()), key=lambda row: row["i"] is None)
    assert empty == dict.fromkeys(TYPES)
    assert (str(whole["m"]), str(whole["t"]), str(whole["day"])) == ("12.34", "2013-01-01 05:15:00", "2013-01-01")
    assert {**whole, **{name: sent[name] for name in ("m", "t", "day")}} == sent
    delivered(s3, bucket, 1, "errors/format-conversion-failed/")


def test_an_object_may_still_be_called_otherwise(firehose, glue, s3, bucket):
    where = make_table(glue, bucket, {"n": "double"}, parameters={"catchment.output_format": "recordio-protobuf", "catchment.recordio_tensor": "float64"})
    name = make(firehose, bucket, FileExtension=".data", BufferingHints=LARGE, DataFormatConversionConfiguration=conversion(*where))
    put(firehose, name, [b'{"n": 0.1}'])
    doubles = lambda contents: record_io(contents, "float64_tensor")
    ((key, content),) = delivered(s3, bucket, 1, records=doubles).items()
    assert key.endswith(".data") and doubles([content]) == [([[0.1]], [])]
