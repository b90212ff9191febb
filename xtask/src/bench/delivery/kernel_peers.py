"""The conversions of `cargo xtask bench delivery` by DuckDB and by PyArrow, on one thread.

`version PROGRAM`, `convert PROGRAM COLUMNS FROM TO TIMES`, which prints a line of JSON for each conversion, and
`compare ONE OTHER`, which fails if the two files do not have the same rows.
"""

import json
import os
import re
import resource
import sys

import duckdb
import pyarrow
import pyarrow.json
import pyarrow.parquet

DUCKDB = {"string": "VARCHAR", "int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN", "timestamp": "TIMESTAMP"}
# PyArrow reads decimals from texts only.
ARROW = {
    "string": pyarrow.string(), "int": pyarrow.int32(), "bigint": pyarrow.int64(), "double": pyarrow.float64(),
    "boolean": pyarrow.bool_(), "timestamp": pyarrow.timestamp("us"), "decimal": pyarrow.float64(),
}


def parse(hive):
    """A type of Hive's grammar as its name and, of structures and arrays, what is in it."""
    match = re.fullmatch(r"(array|struct)<(.*)>", hive)
    if not match:
        return hive, None
    kind, inner = match.groups()
    if kind == "array":
        return "array", parse(inner)
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(inner + ","):
        depth += (sign == "<") - (sign == ">")
        if sign == "," and depth == 0:
            parts.append(inner[start:at])
            start = at + 1
    return "struct", [(name, parse(member)) for name, member in (part.split(":", 1) for part in parts)]


def to_duckdb(parsed):
    kind, inner = parsed
    if kind == "array":
        return to_duckdb(inner) + "[]"
    if kind == "struct":
        return "STRUCT(" + ", ".join(f"{name} {to_duckdb(member)}" for name, member in inner) + ")"
    return DUCKDB.get(kind, kind.upper())


def to_arrow(parsed):
    kind, inner = parsed
    if kind == "array":
        return pyarrow.list_(to_arrow(inner))
    if kind == "struct":
        return pyarrow.struct([(name, to_arrow(member)) for name, member in inner])
    return ARROW[kind.split("(")[0]]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def by_duckdb(columns, source, target):
    connection = duckdb.connect(config={"threads": 1})
    kinds = ", ".join(f"{name}: '{to_duckdb(parsed)}'" for name, parsed in columns)
    query = f"SELECT * FROM read_json('{source}', format = 'newline_delimited', columns = {{{kinds}}})"

    def convert():
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION snappy)")

    return convert


def by_pyarrow(columns, source, target):
    pyarrow.set_cpu_count(1)
    schema = pyarrow.schema([(name, to_arrow(parsed)) for name, parsed in columns])

    def convert():
        table = pyarrow.json.read_json(
            source,
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=8 << 20),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        pyarrow.parquet.write_table(table, target, compression="snappy")

    return convert


def convert(program, columns, source, target, times):
    with open(columns) as lines:
        columns = [(name, parse(hive)) for name, hive in (line.split() for line in lines)]
    run = {"duckdb": by_duckdb, "pyarrow": by_pyarrow}[program](columns, source, target)
    for _ in range(int(times)):
        began = cpu_seconds()
        run()
        seconds = cpu_seconds() - began
        rows = pyarrow.parquet.ParquetFile(target).metadata.num_rows
        print(json.dumps({"rows": rows, "parquet_bytes": os.path.getsize(target), "cpu_seconds": seconds}))


def compare(one, other):
    for left, right in ((one, other), (other, one)):
        [(rows,)] = duckdb.execute(f"SELECT count(*) FROM (FROM '{left}' EXCEPT ALL FROM '{right}')").fetchall()
        if rows:
            sys.exit(f"{rows} rows of {left} are not in {right}")


def version(program):
    print({"duckdb": f"DuckDB {duckdb.__version__}", "pyarrow": f"PyArrow {pyarrow.__version__}"}[program])


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"convert": convert, "compare": compare, "version": version}[command](*arguments)
