"""What the package deltalake says of a table that delta_rs.rs made; called with a step and a directory."""

import datetime
import decimal
import glob
import json
import os
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

EPOCH = datetime.datetime(1970, 1, 1)


def first_row(step):
    """The row of `batch(step)` that is not NULL."""
    at = EPOCH + datetime.timedelta(microseconds=step * 1_000_001)
    return {
        "step": step,
        "text": f"text {step} ü",
        "double": step / 2,
        "single": step / 2,
        "byte": -step,
        "short": -step,
        "wide": step << 40,
        "bytes": bytes([step, 255]),
        "flag": step % 2 == 0,
        "date": datetime.date(1970, 1, 1) + datetime.timedelta(days=step),
        "local": at,
        "instant": at.replace(tzinfo=datetime.timezone.utc),
        "money": decimal.Decimal(step * 101).scaleb(-2),
        "list": [step, None],
        "map": [("step", str(step))],
        "struct": {"inner": step},
    } | partition(step)


def partition(step):
    return {"day": datetime.date(2013, 1, step + 1), "place": None if step % 2 else "a b/ü:%"}


def second_row(step):
    nulls = dict.fromkeys(first_row(step)) | {"step": step, "struct": {"inner": None}}
    return nulls | partition(step)


def check_rows(table, steps):
    rows = table.to_pyarrow_table().to_pylist()
    rows = [row for row in rows if row["step"] is not None]
    rows.sort(key=lambda row: (row["step"], row["text"] is None))
    expect = [row for step in steps for row in (first_row(step), second_row(step))]
    assert rows == expect, rows
    assert table.transaction_version("test") == max(steps)


def checkpoints(path):
    return sorted(int(os.path.basename(name)[:20]) for name in glob.glob(f"{path}/_delta_log/*.checkpoint.parquet"))


def last_checkpoint(path):
    with open(f"{path}/_delta_log/_last_checkpoint") as file:
        return json.load(file)["version"]


def reads(path):
    table = DeltaTable(path)
    assert table.metadata().name == "clicks"
    assert table.metadata().partition_columns == ["day", "place"]
    assert table.version() == 3
    check_rows(table, range(3))
    assert len(table.to_pyarrow_table(filters=[("step", "=", 2)])) == 2
    assert len(table.to_pyarrow_table(filters=[("day", "=", datetime.date(2013, 1, 2))])) == 2
    adds = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    (one,) = [add for add in adds if add["partition.day"] == datetime.date(2013, 1, 2)]
    row = first_row(1)
    assert one["num_records"] == 2
    assert (one["min.step"], one["max.step"], one["null_count.step"]) == (1, 1, 0)
    for name in ("text", "date", "local", "instant", "money", "byte", "short", "wide"):
        assert one[f"min.{name}"] == one[f"max.{name}"] == row[name], (name, one)
        assert one[f"null_count.{name}"] == 1


def writes(path):
    table = DeltaTable(path)
    table.alter.set_table_properties({"delta.checkpointInterval": "4"})
    row = pa.Table.from_pylist([{"text": "foreign", "day": datetime.date(2013, 1, 1), "place": "x"}])
    write_deltalake(path, row, mode="append", schema_mode="merge")
    table = DeltaTable(path)
    table.optimize.compact()
    table.delete("text = 'foreign'")


def reads_checkpoint(path):
    found = checkpoints(path)
    assert found, os.listdir(f"{path}/_delta_log")
    # The foreign ones are older.
    assert last_checkpoint(path) == found[-1] > 8
    # The checkpoint has to do for everything before it.
    for name in glob.glob(f"{path}/_delta_log/*.json"):
        if int(os.path.basename(name)[:20]) < found[-1]:
            os.remove(name)
    check_rows(DeltaTable(path), range(12))


def cleans(path):
    table = DeltaTable(path)
    table.create_checkpoint()
    assert last_checkpoint(path) == table.version()
    for name in glob.glob(f"{path}/_delta_log/*.json") + glob.glob(f"{path}/_delta_log/*.checkpoint.parquet"):
        if int(os.path.basename(name)[:20]) < table.version():
            os.remove(name)


def reads_all(path):
    check_rows(DeltaTable(path), range(16))


def asks_for_more(path):
    DeltaTable(path).alter.add_constraint({"positive": "step >= 0 OR step IS NULL"})


if __name__ == "__main__":
    step, path = sys.argv[1:]
    {f.__name__: f for f in (reads, writes, reads_checkpoint, cleans, reads_all, asks_for_more)}[step](path)
