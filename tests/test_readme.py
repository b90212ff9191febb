"""The README's first session works as printed."""

import os
import pathlib
import re
import subprocess
import sys

from conftest import BINARY

README = pathlib.Path(__file__).parent.parent / "README.md"


def session(language: str) -> str:
    text = README.read_text().split("## A first session")[1].split("\n## ")[0]
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL))


def environment(server) -> dict:
    """The session's own exports, at this server's port."""
    exports = dict(re.findall(r"([A-Z_]+)=(\S+)", "\n".join(re.findall(r"^export .*$", session("bash"), flags=re.MULTILINE))))
    assert exports["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    path = f"{pathlib.Path(sys.executable).parent}:{pathlib.Path(BINARY).parent}:{os.environ['PATH']}"
    return {**os.environ, **exports, "AWS_ENDPOINT_URL": server.endpoint, "AWS_PAGER": "", "PATH": path}


def test_the_aws_cli_session(server, tmp_path):
    commands = session("bash").replace("http://127.0.0.1:4566", server.endpoint)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], env=environment(server), cwd=tmp_path, capture_output=True,
        text=True, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert '"PartitionKey": "user-1"' in done.stdout and '"MillisBehindLatest": 0' in done.stdout


def test_the_boto3_session(server):
    done = subprocess.run(
        [sys.executable, "-c", session("python")], env=environment(server), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[['visitor', 'clicks'], ['0', '34'], ['1', '33'], ['2', '33']]"
