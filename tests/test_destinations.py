"""The examples of docs/destinations work as printed."""

import re
import subprocess
import sys

import pytest
import test_firehose_http
import trustme
from conftest import Server, eventually
from test_readme import README, environment

PAGES = README.parent / "docs" / "destinations"


def example(page):
    return "\n".join(re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), flags=re.DOTALL))


# The end of the interpreter is not what is tested: threads of native libraries may still run then and end it badly.
END = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"


def run(server, text):
    text += END
    done = subprocess.run([sys.executable, "-c", text], env=environment(server), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_s3(server):
    assert run(server, example("s3.md")).strip() == "[{'kind': 'click', 'n': 1}]"


def test_jq(server):
    assert run(server, example("jq.md")).strip() == "['12/2013-02', 'c-7/2013-01', 'unknown/2015-03']"


def test_delta(server):
    assert run(server, example("delta.md")).strip() == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9] ['day']"


def test_kinesis(server):
    assert run(server, example("kinesis.md")).strip() == "b'one'"


@pytest.fixture
def endpoint():
    endpoint = test_firehose_http.Endpoint(authority := trustme.CA())
    endpoint.authority = authority
    yield endpoint
    endpoint.stop()


def test_http_endpoint(endpoint, tmp_path):
    endpoint.authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    server = Server(tmp_path / "data").start({"SSL_CERT_FILE": str(tmp_path / "authority.pem")})
    try:
        text = example("http-endpoint.md")
        assert "https://localhost:8443/records" in text
        run(server, text.replace("https://localhost:8443/records", endpoint.url))
        eventually(lambda: endpoint.records() == [b"one"])
        assert endpoint.requests[0][2]["X-Amz-Firehose-Access-Key"] == "secret"
    finally:
        server.stop()


def test_every_page_is_in_the_table():
    named = set(re.findall(r"\]\((\S+?\.md)", (PAGES / "README.md").read_text()))
    assert {page.name for page in PAGES.glob("*.md")} == named | {"README.md"}
