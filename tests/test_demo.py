"""`catchment demo` on every 50th flight: the whole way from a record in to SQL out, twice on one directory."""

import os
import pathlib
import re
import shutil
import subprocess

import pyarrow as pa
import pytest

import conftest

FLIGHTS = pathlib.Path(__file__).parent.parent / "examples" / "flights"


@pytest.fixture
def some_flights(tmp_path):
    home = tmp_path / "flights"
    shutil.copytree(FLIGHTS, home)
    with pa.input_stream(str(FLIGHTS / "flights.csv.zst"), compression="zstd") as whole:
        header, *rows = whole.read().splitlines(keepends=True)
    rows = rows[::50]
    with pa.output_stream(str(home / "flights.csv.zst"), compression="zstd") as part:
        part.write(header + b"".join(rows))
    return home, rows


def test_the_demo_ends_with_the_right_answers_and_runs_again(some_flights, tmp_path):
    home, rows = some_flights
    command = [conftest.BINARY, "demo", "--exit", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--data", str(home)]
    july = sum(row.split(b",")[1] == b"7" for row in rows)
    for table in ("nyc.flights", "nyc_2.flights"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=170)
        assert done.returncode == 0, done.stderr + done.stdout
        assert table in done.stdout
        assert re.search(rf"^ +{len(rows)} +$", done.stdout, flags=re.MULTILINE), done.stdout
        by_origin = done.stdout.split("What did July cost?")[1].split("Does rain")[0]
        counts = [int(count) for count in re.findall(r"^ +(?:EWR|JFK|LGA) +(\d+)", by_origin, flags=re.MULTILINE)]
        assert sum(counts) == july, by_origin


def test_the_demo_goes_its_own_way_whatever_the_environment_holds(some_flights, tmp_path):
    command = [conftest.BINARY, "demo", "--exit", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--data", str(some_flights[0])]
    environment = {
        **os.environ,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "999999999999",
        "AWS_SECRET_ACCESS_KEY": "other",
        "CATCHMENT_ACCESS_KEYS": "demo:secret:123456789012",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_demo_says_what_is_missing(tmp_path):
    command = [conftest.BINARY, "demo", "--exit", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "--data" in done.stderr, done.stderr
