"""The built binary as every test sees it: over the network, through real clients."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

BINARY = os.environ.get("CATCHMENT_BINARY")
ACCESS_KEY = "000000000000"
SECRET_KEY = "test"
REGION = "us-east-1"
START_SECONDS_MAX = 30


class Server:
    """One server on a data directory of its own. It may be killed and started again."""

    def __init__(self, data_dir: pathlib.Path, arguments=()):
        self.data_dir = data_dir
        self.arguments = list(arguments)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None
        self.killed = False
        self.log = data_dir.parent / f"{data_dir.name}.log"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, environment=None):
        command = [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command + self.arguments, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
            )
        self.killed = False
        self.wait_until_ready()
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_catchment/health", timeout=5) as answer:
                    assert answer.status == 200
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
                assert time.monotonic() < deadline, f"the server does not answer: {self.log.read_text()}"
                time.sleep(0.02)

    def kill(self):
        """kill -9: nothing is flushed, nothing is said."""
        self.killed = True
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM: open requests end, everything is flushed. A server that ended by itself fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        if not self.killed:
            assert self.process.wait(timeout=60) == 0, self.log.read_text()
        if self.log.exists():
            assert "panicked at" not in self.log.read_text(), self.log.read_text()

    def restart(self):
        self.stop()
        return self.start()

    def client(self, service: str, **settings):
        config = botocore.config.Config(
            retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=60
        ).merge(settings.pop("config", None) or botocore.config.Config())
        settings = {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            **settings,
        }
        return boto3.session.Session().client(service, config=config, **settings)


def pytest_configure(config):
    if not BINARY or not pathlib.Path(BINARY).exists():
        raise pytest.UsageError("CATCHMENT_BINARY must name the built binary; run `cargo xtask test`")


@pytest.fixture(autouse=True, scope="session")
def no_ambient_credentials():
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for all tests that neither kill it nor care what else is in it."""
    server = Server(tmp_path_factory.mktemp("shared") / "data").start()
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path):
    """A server of the test's own, which it may kill."""
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


@pytest.fixture
def new_server(tmp_path):
    """Makes servers with the given arguments."""
    made = []

    def make(*arguments):
        server = Server(tmp_path / f"data{len(made)}", arguments)
        made.append(server)
        return server

    yield make
    for server in made:
        if server.process is not None:
            server.stop()


@pytest.fixture
def endpoint(shared_server):
    return shared_server.endpoint


@pytest.fixture
def client(shared_server):
    return shared_server.client


# Making a client takes a while, and all tests may share one.
@pytest.fixture(scope="session")
def s3(shared_server):
    return shared_server.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}))


@pytest.fixture(scope="session")
def firehose(shared_server):
    return shared_server.client("firehose")


@pytest.fixture(scope="session")
def unchecked(shared_server):
    """Firehose's client, which sends what it would refuse itself."""
    return shared_server.client("firehose", config=botocore.config.Config(parameter_validation=False))


@pytest.fixture(scope="session")
def glue(shared_server):
    return shared_server.client("glue")


@pytest.fixture
def bucket(s3):
    return make_bucket(s3)


def make_bucket(s3):
    name = f"lake-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def aws(shared_server):
    """Runs the AWS CLI; returns what it prints."""
    cli = pathlib.Path(os.environ.get("CATCHMENT_AWS_CLI") or pathlib.Path(os.sys.executable).with_name("aws"))

    def run(*arguments, check=True):
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": shared_server.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }
        done = subprocess.run([str(cli), *arguments], env=environment, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done

    return run


class refused:
    """Expects the service's own error."""

    def __init__(self, code, message=""):
        self.code, self.message = code, message

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, ClientError), f"{self.code} {self.message} expected, but it was {error!r}"
        answer = error.response["Error"]
        assert answer["Code"] == self.code, answer
        assert self.message in answer["Message"], answer
        return True


def eventually(check, seconds=60):
    """Waits until `check` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"it never came true: {check}"
        time.sleep(0.02)
