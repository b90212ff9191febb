"""The server itself and its command line: connections, pages, settings, shutdown, a full disk."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import BINARY, Server, eventually

LIST = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
HEALTH = b"GET /_catchment/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATH_STYLE = Config(s3={"addressing_style": "path"})
MIB = 1 << 20


def run(*arguments, check=True, **environment):
    """One command of the binary. Returns how it ended."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CATCHMENT_", "AWS_"))}
    done = subprocess.run(
        [BINARY, *map(str, arguments)], env={**clean, **environment}, capture_output=True, text=True, timeout=60
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def connect(server, timeout=30):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    connection.settimeout(timeout)
    return connection


def read_all(connection):
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            found += piece
    return found


def get(server, path="/_catchment/health", method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@contextlib.contextmanager
def refused(status, text=""):
    with pytest.raises(ClientError) as error:
        yield error
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.value.response
    assert text in error.value.response["Error"]["Message"], error.value.response


# What takes half a minute of the server's patience runs beside the other tests.


class Slow:
    """Connections that never get to the point, and how long the server puts up with them."""

    SENT = {
        "half a head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A",
        "half a preface": b"PRI * HTTP/2.0\r\n",
        "one letter": b"P",
        "half a handshake": b"\x16\x03\x01",
        "a second head after a first": HEALTH + b"GET /",
    }

    def __init__(self, server):
        self.pool = concurrent.futures.ThreadPoolExecutor(len(self.SENT) + 2)
        self.ends = {name: self.pool.submit(self.stall, server, sent) for name, sent in self.SENT.items()}
        self.ends["silence behind TLS"] = self.pool.submit(self.stall_tls, server)
        self.ends["drips"] = self.pool.submit(self.drip, server)

    @staticmethod
    def stall(server, sent):
        started = time.monotonic()
        with connect(server, timeout=100) as connection:
            connection.sendall(sent)
            return time.monotonic() - started, read_all(connection), time.monotonic() - started

    @staticmethod
    def stall_tls(server):
        context = ssl._create_unverified_context()
        started = time.monotonic()
        with connect(server, timeout=100) as plain, context.wrap_socket(plain) as connection:
            return 0, read_all(connection), time.monotonic() - started

    @staticmethod
    def drip(server):
        started = time.monotonic()
        with connect(server, timeout=100) as connection, contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
            while time.monotonic() - started < 90:
                connection.sendall(b"a: b\r\n")
                connection.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1000):
                        break
        return 0, b"", time.monotonic() - started


@pytest.fixture(scope="module", autouse=True)
def slow(shared_server):
    return Slow(shared_server)


def begin_upload(connection, path="/bucket/key", part=b"half", length=100):
    """The first part of an object; when this returns the server is reading it."""
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100"), "the request is under way"
    connection.sendall(part)


@pytest.fixture(scope="module", autouse=True)
def stuck(tmp_path_factory):
    """A server told to stop while a caller of its sends half a body and nothing more."""
    server = Server(tmp_path_factory.mktemp("stuck") / "data").start()
    server.client("s3", config=PATH_STYLE).create_bucket(Bucket="bucket")
    connection = connect(server)
    begin_upload(connection)
    silent = connect(server)
    silent.sendall(b"\x16")
    server.process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    yield server, started
    connection.close()
    silent.close()
    if server.process.poll() is None:
        server.kill()


# Connections


def test_one_connection_serves_many_requests(shared_server):
    connection = http.client.HTTPConnection("127.0.0.1", shared_server.port, timeout=30)
    connection.connect()
    first = connection.sock
    for _ in range(20):
        connection.request("POST", "/", b"{}", LIST)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        connection.request("POST", "/", b"{", LIST)
        answer = connection.getresponse()
        assert answer.status == 400 and answer.read()
        assert connection.sock is first
    connection.close()


def test_requests_sent_ahead_are_answered_in_order(shared_server):
    with connect(shared_server) as connection:
        connection.sendall(HEALTH * 3 + HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 4


def test_a_caller_that_has_said_all_still_gets_its_answer(shared_server):
    with connect(shared_server) as connection:
        connection.sendall(HEALTH)
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" in read_all(connection)
    with connect(shared_server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)
    assert get(shared_server)[0] == 200


def test_callers_that_hang_up_do_no_harm(shared_server):
    for _ in range(50):
        with connect(shared_server) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    assert get(shared_server)[0] == 200


@pytest.mark.parametrize("tls", [False, True])
def test_http_2(shared_server, tls):
    scheme = "https" if tls else "http"
    url = f"{scheme}://localhost:{shared_server.port}"
    with httpx.Client(http1=False, http2=True, verify=False) as client:
        for _ in range(3):
            answer = client.post(url, content=b"{}", headers=LIST)
            assert answer.http_version == "HTTP/2" and answer.status_code == 200, answer
            assert "StreamNames" in answer.json()
        answer = client.post(url, content=b"{", headers=LIST)
        assert answer.status_code == 400 and answer.json()["__type"] == "SerializationException"
        answer = client.get(f"{url}/_catchment/health")
        assert answer.json()["status"] == "ok"
        client.put(f"{url}/http2-{scheme}")
        body = os.urandom(5 * MIB)
        assert client.put(f"{url}/http2-{scheme}/key", content=body).status_code == 200
        assert client.get(f"{url}/http2-{scheme}/key").content == body


def test_http_2_streams_run_beside_each_other(shared_server):
    async def many():
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            url = shared_server.endpoint
            answers = await asyncio.gather(*(client.post(url, content=b"{}", headers=LIST) for _ in range(100)))
            return {(answer.http_version, answer.status_code) for answer in answers}

    assert asyncio.run(many()) == {("HTTP/2", 200)}


def test_tls_and_plain_http_share_the_port(server):
    certificate = server.data_dir / "tls" / "certificate.pem"
    assert not certificate.exists()
    # Many at once all meet the same certificate, made by the first.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        shown = set(pool.map(lambda _: ssl.get_server_certificate(("127.0.0.1", server.port)), range(16)))
    assert shown == {certificate.read_text()}
    assert (server.data_dir / "tls" / "key.pem").stat().st_mode & 0o777 == 0o600
    for host in ("localhost", "127.0.0.1"):
        settings = {"endpoint_url": f"https://{host}:{server.port}", "verify": str(certificate)}
        server.client("kinesis", **settings).list_streams()
        s3 = server.client("s3", config=PATH_STYLE, **settings)
        s3.create_bucket(Bucket=f"tls-{host.replace('.', '-')}")
    assert len(server.client("s3").list_buckets()["Buckets"]) == 2
    server.restart()
    assert ssl.get_server_certificate(("127.0.0.1", server.port)) == certificate.read_text()


def test_a_given_certificate_is_shown(new_server, server, tmp_path):
    ssl.get_server_certificate(("127.0.0.1", server.port))
    given = {name: shutil.copy(server.data_dir / "tls" / name, tmp_path) for name in ("certificate.pem", "key.pem")}
    arguments = [f"--tls-cert={given['certificate.pem']}", f"--tls-key={given['key.pem']}"]
    other = new_server(*arguments).start()
    with open(given["certificate.pem"]) as certificate:
        assert ssl.get_server_certificate(("127.0.0.1", other.port)) == certificate.read()
    assert not (other.data_dir / "tls").exists()
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "x", arguments[0], check=False)
    assert done.returncode == 1 and "--tls-cert and --tls-key go together" in done.stderr
    arguments[1] = f"--tls-key={given['certificate.pem']}"
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "x", *arguments, check=False)
    assert done.returncode == 1 and "could not read the key" in done.stderr


@pytest.mark.parametrize(
    "sent, expect",
    [
        (b"\x00\xff\xfe garbage\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", b""),
        (b"\x16\x03\x01\x00\x05hello", b""),
        (b"\x16" + b"\xff" * 1000, b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000, b""),
        (os.urandom(5000), b""),
    ],
)
def test_garbage_ends_its_connection_and_nothing_else(shared_server, sent, expect):
    with connect(shared_server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert expect in answer.split(b"\r\n")[0], answer
    assert get(shared_server)[0] == 200


def test_heads_that_are_too_large_are_refused(shared_server):
    def status(head):
        with connect(shared_server) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /_catchment/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + head + b"\r\n")
            return int((read_all(connection).split(b" ") + [b"", b"0"])[1])

    assert status(b"X-A: " + b"a" * 30_000 + b"\r\n") == 200
    assert status(b"X-A: " + b"a" * 100_000 + b"\r\n") == 431
    assert status(b"".join(b"X-%d: a\r\n" % n for n in range(100))) == 200
    assert status(b"".join(b"X-%d: a\r\n" % n for n in range(200))) == 431
    with connect(shared_server) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 414 " in (answer := read_all(connection)) or b" 431 " in answer, answer[:100]


def test_bodies_that_are_too_large_are_refused(shared_server):
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\n"
    head += "Content-Type: application/x-amz-json-1.1\r\n"
    # Said beforehand, it is refused without being sent.
    with connect(shared_server) as connection:
        connection.sendall(f"{head}Content-Length: {33 * MIB}\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413") and b"RequestEntityTooLargeException" in answer, answer
    with connect(shared_server) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent, piece = 0, b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
        with contextlib.suppress(ConnectionError):
            while sent < 64:
                connection.sendall(piece)
                sent += 1
        assert 32 <= sent < 64, "it is refused on the way"
    assert get(shared_server)[0] == 200


def test_expectations_are_met(shared_server):
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {LIST['X-Amz-Target']}\r\nConnection: close\r\n"
    with connect(shared_server) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert b"200 OK" in read_all(connection)


def test_three_hundred_connections_at_once(shared_server):
    connections = [connect(shared_server) for _ in range(300)]
    for connection in connections:
        connection.sendall(HEALTH)
    for connection in connections:
        assert b"200 OK" in connection.recv(65536)
    for connection in connections:
        connection.sendall(HEALTH)
    for connection in connections:
        assert b"200 OK" in connection.recv(65536)
        connection.close()


def test_connections_beyond_the_bound_wait(new_server):
    server = new_server("--connections-max=2").start()
    held = [connect(server), connect(server)]
    with connect(server) as third:
        third.sendall(HEALTH)
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):
            third.recv(1000)
        held[0].close()
        third.settimeout(30)
        assert b"200 OK" in third.recv(65536)
    held[1].close()


# Our own pages


def samples(server):
    """The metrics page, checked against the text format; values by name and labels."""
    status, headers, body = get(server, "/_catchment/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, kinds = {}, {}
    for line in body.decode().splitlines():
        if line.startswith("#"):
            word, name, rest = line[2:].split(" ", 2)
            assert word in ("HELP", "TYPE"), line
            if word == "TYPE":
                assert name not in kinds and rest in ("counter", "gauge", "histogram"), line
                kinds[name] = rest
            continue
        match = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)', line)
        assert match, line
        assert re.sub("_(bucket|sum|count)$", "", match[1]) in kinds or match[1] in kinds, line
        key = match[1], match[2] or ""
        assert key not in found, line
        found[key] = float(match[3])
    return found


def test_metrics_rise(server):
    before = samples(server)
    kinesis = server.client("kinesis")
    kinesis.create_stream(StreamName="a", ShardCount=1)
    for _ in range(3):
        kinesis.put_record(StreamName="a", PartitionKey="k", Data=b"x" * 1000)
    with refused(400):
        kinesis.put_record(StreamName="nobody", PartitionKey="k", Data=b"x")
    s3 = server.client("s3", config=PATH_STYLE)
    s3.create_bucket(Bucket="metrics")
    s3.put_object(Bucket="metrics", Key="k", Body=bytes(100_000))
    after = samples(server)
    put = 'service="kinesis",operation="PutRecord"'
    assert after["catchment_requests_total", put + ',status="200"'] == 3
    assert after["catchment_requests_total", put + ',status="400"'] == 1
    assert after["catchment_request_bytes_total", put] > 3000
    assert after["catchment_request_seconds_count", put] == 4
    buckets = [value for (name, labels), value in after.items() if name.endswith("_bucket") and labels.startswith(put)]
    assert buckets == sorted(buckets) and buckets[-1] == 4
    assert after["catchment_log_appended_records_total", ""] - before["catchment_log_appended_records_total", ""] >= 3
    assert after["catchment_request_bytes_total", 'service="s3",operation="PutObject"'] >= 100_000
    assert after["catchment_requests_total", 'service="s3",operation="CreateBucket",status="200"'] == 1


def test_health_and_status(server):
    status, headers, body = get(server)
    health = json.loads(body)
    assert (status, headers["Content-Type"], health["status"]) == (200, "application/json", "ok")
    assert health["services"]["kinesis"] == "running" and health["services"]["s3"] == "running"
    local = json.loads(get(server, "/_localstack/health")[2])
    assert local["services"]["kinesis"] in ("running", "available")
    page = json.loads(get(server, "/_catchment/status")[2])
    assert page["pid"] == server.process.pid and page["data_dir"] == str(server.data_dir)
    assert get(server, "/_catchment/nothing")[0] == 404
    assert get(server, method="POST")[0] == 405
    status, headers, body = get(server, method="HEAD")
    assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 0
    shown = run("status", "--endpoint", server.endpoint).stdout
    assert str(server.data_dir) in shown and "kinesis" in shown and f"process {server.process.pid}" in shown
    as_json = json.loads(run("status", "--json", AWS_ENDPOINT_URL=server.endpoint).stdout)
    assert as_json["pid"] == server.process.pid
    assert run("status", "--health", "--endpoint", server.endpoint).stdout == ""
    assert run("status", "--health", "--endpoint", "http://127.0.0.1:1", check=False).returncode == 1
    done = run("status", "--endpoint", "http://127.0.0.1:1", check=False)
    assert done.returncode == 1 and "no answer from http://127.0.0.1:1" in done.stderr


# Browsers


def test_our_own_pages_are_listed(shared_server):
    status, headers, text = get(shared_server, "/_catchment/")
    assert status == 200 and headers["Content-Type"] == "text/plain"
    pages = [line.split()[0].decode() for line in text.splitlines()]
    assert "/_catchment/metrics" in pages
    assert [get(shared_server, page)[0] for page in pages] == [200] * len(pages)
    status, _, missing = get(shared_server, "/_catchment/none")
    assert status == 404 and text in missing


def test_pages_from_loopback_may_call_and_others_only_when_let(new_server):
    server = new_server("--cors-origin=https://app.example").start()
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target,authorization"}
    for origin in ("http://localhost:3000", "http://127.0.0.1", "https://app.example"):
        status, headers, _ = get(server, "/", "OPTIONS", {"Origin": origin, **ask})
        assert status == 204 and headers["Access-Control-Allow-Origin"] == origin
        assert "POST" in headers["Access-Control-Allow-Methods"]
        assert headers["Access-Control-Allow-Headers"] == ask["Access-Control-Request-Headers"]
        status, headers, _ = get(server, "/", "POST", {"Origin": origin, **LIST}, b"{}")
        assert status == 200 and headers["Access-Control-Allow-Origin"] == origin and headers["Vary"] == "origin"
        assert "x-amzn-requestid" in headers["Access-Control-Expose-Headers"]
        status, headers, _ = get(server, "/", "POST", {"Origin": origin, **LIST}, b"{")
        assert status == 400 and headers["Access-Control-Allow-Origin"] == origin, "pages must see errors too"
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        for method, headers in (("OPTIONS", ask), ("POST", LIST), ("GET", {})):
            status, headers, body = get(server, "/", method, {"Origin": origin, **headers}, b"{}" if method == "POST" else None)
            assert status == 403 and "Access-Control-Allow-Origin" not in headers and b"--cors-origin" in body
    open_server = new_server("--cors-origin=*").start()
    assert get(open_server, "/", "POST", {"Origin": "https://evil.example", **LIST}, b"{}")[0] == 200


def test_names_that_are_not_ours_are_not_answered_without_keys(new_server):
    plain, named, keyed = new_server().start(), new_server("--allowed-host=data.example").start(), new_server("--access-key=a:b").start()
    for host, server, status in [
        ("localhost", plain, 200),
        ("lake.localhost:4566", plain, 200),
        ("kinesis.us-east-1.amazonaws.com", plain, 200),
        ("evil.example", plain, 403),
        ("data.example:4566", named, 200),
        ("evil.example", named, 403),
        ("evil.example", keyed, 200),
    ]:
        found, _, body = get(server, headers={"Host": host})
        assert found == status and (status == 200 or b"--allowed-host" in body), (host, found, body)


def test_pages_that_do_not_say_who_they_are_may_not_call(new_server):
    for arguments, status in ([], 403), (["--cors-origin=*"], 200), (["--access-key=a:b"], 200):
        server = new_server(*arguments).start()
        found, _, body = get(server, headers={"Sec-Fetch-Site": "cross-site"})
        assert found == status, (arguments, body)
        assert get(server, headers={"Sec-Fetch-Site": "same-site"})[0] == 200
        assert get(server, headers={"Sec-Fetch-Site": "none"})[0] == 200


# Settings and the command line


def test_flags_override_the_environment_and_that_the_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(
        'listen = "127.0.0.1:1"\nlimits = "aws"\ndurability = "os"\ndata_dir = "from-file"\naccess_keys = ["id:hush:111122223333"]\n'
    )
    settings = lambda *flags, **environment: run("config", *flags, **environment).stdout
    shown = settings("--config", file)
    for line in ('listen = "127.0.0.1:1"', 'limits = "aws"', 'durability = "os"', 'data_dir = "from-file"'):
        assert line in shown
    assert "hush" not in shown and 'access_keys = ["id:****:111122223333"]' in shown
    shown = settings("--config", file, CATCHMENT_LISTEN="127.0.0.1:2", CATCHMENT_ACCESS_KEYS="a:quiet,b:silent")
    assert 'listen = "127.0.0.1:2"' in shown and '"a:****", "b:****"' in shown and 'data_dir = "from-file"' in shown
    assert "quiet" not in shown and "silent" not in shown
    shown = settings("--config", file, "--listen=127.0.0.1:3", CATCHMENT_LISTEN="127.0.0.1:2")
    assert 'listen = "127.0.0.1:3"' in shown
    assert 'listen = "127.0.0.1:1"' in settings(CATCHMENT_CONFIG=str(file))
    # What is printed is a settings file; secrets are all it lacks.
    file.write_text(settings("--listen=127.0.0.1:5", "--limits=aws"))
    assert settings("--config", file) == file.read_text()


@pytest.mark.parametrize(
    "content, text",
    [
        ('lisen = "127.0.0.1:1"', "lisen"),
        ("listen = 5", "listen"),
        ('limits = "some"', "some"),
        ("= nonsense", "is not a settings file"),
        ('access_keys = ["secretwithoutid"]', "ID:SECRET"),
        ('listen = "0.0.0.0:1"', "refusing to listen"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path, content, text):
    file = tmp_path / "settings.toml"
    file.write_text(content)
    done = run("config", "--config", file, check=False)
    assert done.returncode == 1 and text in done.stderr and "secretwithoutid" not in done.stderr, done.stderr
    done = run("config", "--config", tmp_path / "none.toml", check=False)
    assert done.returncode == 1 and "could not read" in done.stderr


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        ([], 2, "Usage:"),
        (["nonsense"], 2, "unrecognized subcommand 'nonsense'"),
        (["serve", "--nonsense"], 2, "unexpected argument '--nonsense'"),
        (["serve", "--listen", "here"], 2, "invalid socket address"),
        (["serve", "--limits", "some"], 2, "[possible values: none, aws]"),
        (["serve", "--access-key", "onlyanid"], 1, "ID:SECRET"),
        (["serve", "--access-key", "id:secret:12"], 1, "twelve digits"),
        (["serve", "--connections-max", "0"], 1, "at least 1"),
        (["serve", "--log", "a=b=c"], 1, "is not a log filter"),
        (["serve", "--listen", "0.0.0.0:0"], 1, "refusing to listen on 0.0.0.0:0 without access keys"),
        (["serve", "--listen", "[::]:0"], 1, "refusing to listen"),
        (["serve", "--data-dir", "/dev/null/x"], 1, "could not make /dev/null/x"),
        (["plan", "shards"], 2, "--records-per-second"),
        (["plan", "shards", "--records-per-second", "0", "--record-kb", "1"], 1, "must be above 0"),
        (["plan", "shards", "--records-per-second", "nan", "--record-kb", "1"], 1, "must be above 0"),
        (["plan", "shards", "--records-per-second", "inf", "--record-kb", "1"], 1, "at most"),
        (["plan", "shards", "--records-per-second", "5", "--record-kb", "20000"], 1, "at most 10240"),
        (["completions", "tcsh"], 2, "invalid value 'tcsh'"),
    ],
)
def test_arguments_that_are_wrong_are_named(tmp_path, arguments, code, text):
    if arguments[:1] == ["serve"] and "--data-dir" not in arguments:
        arguments = [*arguments, "--data-dir", tmp_path / "data"]
    done = run(*arguments, check=False)
    assert done.returncode == code and text in done.stderr and done.stdout == "", done
    assert not (tmp_path / "data").exists(), "what is refused leaves nothing behind"


def test_help_version_and_completions():
    text = run("--help").stdout
    for command in ("serve", "demo", "status", "plan", "config", "completions"):
        assert re.search(f"^  {command} ", text, re.M), command
        assert "Usage: catchment" in run(command, "--help").stdout
    assert "CATCHMENT_LISTEN" in run("serve", "--help").stdout
    assert re.fullmatch(r"catchment \d+\.\d+\.\d+\n", run("--version").stdout)
    for shell in ("bash", "zsh", "fish"):
        script = run("completions", shell).stdout
        assert "serve" in script and "--data-dir" in script.replace("data-dir", "--data-dir")
        if program := shutil.which(shell):
            subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_secrets_are_not_in_the_help():
    assert "hush" not in run("serve", "--help", CATCHMENT_ACCESS_KEYS="id:hush").stdout


@pytest.mark.parametrize(
    "arguments, needed, reason",
    [
        (["1000", "1"], "1", "writing decides"),
        (["1000", "1.2"], "2", "writing decides"),
        (["100", "30", "--consumers=10"], "15", "reading decides"),
        (["5000", "0.01"], "5", "decides"),
    ],
)
def test_plan_shards(arguments, needed, reason):
    text = run("plan", "shards", "--records-per-second", arguments[0], "--record-kb", *arguments[1:]).stdout
    assert text.splitlines()[0] == needed and reason in text, text


def test_an_open_address_with_a_key_is_served(tmp_path):
    server = Server(tmp_path / "data", ["--access-key", "id:secret"])
    command = [BINARY, "serve", "--listen", f"0.0.0.0:{server.port}", "--data-dir", str(server.data_dir), *server.arguments]
    server.process = subprocess.Popen(command, stderr=open(server.log, "wb"))
    server.wait_until_ready()
    try:
        with refused(403):
            server.client("kinesis").list_streams()
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
        assert server.client("kinesis", **keys).list_streams()["StreamNames"] == []
    finally:
        server.stop()
    assert "secret" not in server.log.read_text()


def test_logs(new_server):
    server = new_server("--log-format=json", "--log=debug").start()
    with refused(400):
        server.client("kinesis").describe_stream_summary(StreamName="nobody")
    with refused(404) as missing:
        server.client("s3", config=PATH_STYLE).get_object(Bucket="nobody", Key="k")
    server.stop()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert all(line["level"] in ("DEBUG", "INFO", "WARN", "ERROR", "TRACE") and line["timestamp"] for line in lines)
    ready = [line for line in lines if "is ready" in line.get("message", "")]
    assert ready and ready[0]["address"].endswith(str(server.port))
    call = next(line for line in lines if line.get("operation") == "DescribeStreamSummary")
    assert call["service"] == "kinesis" and call["status"] == 400 and call["error"] == "ResourceNotFoundException"
    call = next(line for line in lines if line.get("operation") == "GetObject")
    assert call["service"] == "s3" and call["status"] == 404 and call["error"] == "NoSuchBucket"
    headers = missing.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert call["request_id"] == headers["x-amz-request-id"] == headers["x-amz-id-2"]
    human = new_server().start()
    human.stop()
    assert " INFO " in human.log.read_text() and "\x1b" not in human.log.read_text()


# The end, and the next beginning


def test_what_is_under_way_ends_before_the_server_does(server):
    s3 = server.client("s3", config=PATH_STYLE)
    s3.create_bucket(Bucket="drain")
    body = os.urandom(3 * MIB)
    idle = connect(server)
    idle.sendall(HEALTH)
    assert b"200 OK" in idle.recv(65536)
    with connect(server) as upload:
        begin_upload(upload, "/drain/slow", body[:MIB], len(body))
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(1000) == b"", "idle connections end at once"
        eventually(lambda: cannot_connect(server))
        assert server.process.poll() is None
        upload.sendall(body[MIB:])
        answer = read_all(upload)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert server.process.wait(timeout=20) == 0
    assert "letting open requests end" in server.log.read_text()
    server.start()
    assert s3.get_object(Bucket="drain", Key="slow")["Body"].read() == body


def cannot_connect(server):
    try:
        connect(server).close()
        return False
    except ConnectionRefusedError:
        return True


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_stops_and_a_second_one_ends_at_once(server, by):
    server.client("s3", config=PATH_STYLE).create_bucket(Bucket="bucket")
    with connect(server) as connection:
        begin_upload(connection)
        server.process.send_signal(by)
        eventually(lambda: "letting open requests end" in server.log.read_text())
        server.process.send_signal(by)
        assert server.process.wait(timeout=20) == 130
    server.start().process.send_signal(by)
    assert server.process.wait(timeout=20) == 0


def test_a_directory_has_one_server(server):
    server.client("kinesis").create_stream(StreamName="a", ShardCount=1)
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1 and "another server may be using this directory" in done.stderr, done.stderr
    done = run("serve", "--listen", f"127.0.0.1:{server.port}", "--data-dir", f"{server.data_dir}-2", check=False)
    assert done.returncode == 1 and f"could not listen on 127.0.0.1:{server.port}" in done.stderr, done.stderr
    assert server.client("kinesis").list_streams()["StreamNames"] == ["a"]


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path, check=False)
    assert done.returncode == 1 and "holds other things (thesis.tex)" in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_printed_into_a_closed_pipe_goes_nowhere(shared_server):
    for command in ("status", "streams", "faults"):
        asked = [BINARY, command, "--endpoint", f"http://127.0.0.1:{shared_server.port}"]
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(asked, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
        os.close(write)
        assert done.returncode == 0 and "panicked" not in done.stderr, (command, done.stderr)


def test_everything_is_there_after_a_restart_and_after_a_crash(server):
    kinesis, s3 = server.client("kinesis"), server.client("s3", config=PATH_STYLE)
    kinesis.create_stream(StreamName="a", ShardCount=2)
    s3.create_bucket(Bucket="kept")
    for n, again in enumerate([server.restart, lambda: (server.kill(), server.start())]):
        s3.put_object(Bucket="kept", Key=f"{n}", Body=b"x" * n)
        kinesis.add_tags_to_stream(StreamName="a", Tags={f"t{n}": "v"})
        again()
        assert kinesis.describe_stream_summary(StreamName="a")["StreamDescriptionSummary"]["OpenShardCount"] == 2
        assert len(s3.list_objects_v2(Bucket="kept")["Contents"]) == n + 1
        assert len(kinesis.list_tags_for_stream(StreamName="a")["Tags"]) == n + 1


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """24 MiB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount command here")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk is not permitted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def cramped_server(small_disk, tmp_path):
    server = Server(small_disk / "data")
    server.log = tmp_path / "server.log"
    server.start()
    yield server
    server.stop()


def fill(filler):
    with contextlib.suppress(OSError), open(filler, "wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


def test_the_log_goes_on_where_little_room_is_made(cramped_server, small_disk):
    kinesis = cramped_server.client("kinesis")
    kinesis.create_stream(StreamName="a", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="a", WaiterConfig={"Delay": 1})
    fill(small_disk / "filler")
    put = lambda: kinesis.put_record(StreamName="a", PartitionKey="k", Data=os.urandom(500_000))
    with refused(503):
        for _ in range(100):
            put()
    os.remove(small_disk / "filler")
    put()


def test_a_full_disk_refuses_writes_keeps_what_it_has_and_recovers(cramped_server, small_disk):
    server, filler = cramped_server, small_disk / "filler"
    kinesis, s3 = server.client("kinesis"), server.client("s3", config=PATH_STYLE)
    kinesis.create_stream(StreamName="a", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="a", WaiterConfig={"Delay": 1})
    s3.create_bucket(Bucket="full")
    records, objects, streams = [], {}, ["a"]

    def put_record(size):
        data = os.urandom(size)
        kinesis.put_record(StreamName="a", PartitionKey="k", Data=data)
        records.append(data)

    def put_object(size):
        key, data = f"key-{len(objects)}", os.urandom(size)
        s3.put_object(Bucket="full", Key=key, Body=data)
        objects[key] = data

    def create_stream():
        name = f"stream-{len(streams)}"
        kinesis.create_stream(StreamName=name, ShardCount=1, Tags={f"tag{n}": "v" * 200 for n in range(50)})
        streams.append(name)

    def all_there():
        at = kinesis.get_shard_iterator(StreamName="a", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
        found, at = [], at["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=at)
            found += [record["Data"] for record in page["Records"]]
            at = page["NextShardIterator"]
            if page["MillisBehindLatest"] == 0 and not page["Records"]:
                break
        assert found == records
        listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket="full").get("Contents", [])]
        assert listed == sorted(objects)
        for key, data in objects.items():
            assert s3.get_object(Bucket="full", Key=key)["Body"].read() == data
        names = [name for page in kinesis.get_paginator("list_streams").paginate() for name in page["StreamNames"]]
        assert sorted(names) == sorted(streams)

    put_record(100_000)
    put_object(100_000)
    fill(filler)
    # What fits into blocks that a file has already may still be taken; then every kind of write is refused.
    for write, status in ((lambda: put_record(200_000), 503), (lambda: put_object(200_000), 507), (create_stream, 503)):
        with refused(status) as error:
            for _ in range(2000):
                write()
        message = error.value.response["Error"]["Message"]
        assert "full" in message.lower() or "room" in message.lower() or "space" in message.lower(), message
        all_there()
    os.remove(filler)
    put_object(200_000)
    create_stream()
    all_there()
    server.kill()
    server.start()
    all_there()


# What took long


def test_the_server_does_not_wait_for_ever_for_callers_that_are_stuck(stuck):
    server, started = stuck
    assert server.process.wait(timeout=60) == 0, server.log.read_text()
    assert time.monotonic() - started < 60
    assert "were cut" in server.log.read_text()


def test_callers_that_never_get_to_the_point_are_cut(slow):
    for name, end in slow.ends.items():
        _, answer, seconds = end.result(timeout=90)
        assert seconds < 60, f"{name}: {seconds}"
        assert b"500" not in answer, (name, answer)
