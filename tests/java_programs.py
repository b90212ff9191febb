"""Programs in Java for the tests: Maven compiles them and fetches what they need, and they run beside the test."""

import hashlib
import os
import pathlib
import shutil
import ssl
import subprocess

import pytest
from conftest import BINARY, eventually

JAVA_RELEASE_MIN = 17
# Of the files that say whom Java trusts; it keeps nothing secret.
PASSWORD = "trusted"


def class_path(project):
    """The class path of the project of that name beside this file, which is built under the target directory.

    The test that asks is skipped where the tools are missing; where CI runs, it fails.
    """
    missing = what_is_missing()
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    target = pathlib.Path(os.environ.get("CATCHMENT_JAVA_BUILD") or pathlib.Path(BINARY).resolve().parents[1])
    directory = target / f"test-{project}"
    build(pathlib.Path(__file__).with_name(project), directory)
    return f"{directory}/classes:{directory}/lib/*"


def what_is_missing():
    for tool in ("java", "javac", "mvn"):
        if not shutil.which(tool):
            return f"the Java tests need {tool}, which was not found: install a JDK (17 or newer) and Maven"
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True).stdout.split()[-1]
    if int(version.split(".")[0]) < JAVA_RELEASE_MIN:
        return f"the Java tests need a JDK of {JAVA_RELEASE_MIN} or newer, and this one is {version}"
    return None


def build(project, directory):
    """Builds the project unless it has been built from these very sources."""
    sources = sorted(path for path in project.rglob("*") if path.is_file())
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = directory / "built.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(directory, ignore_errors=True)
    maven = ["mvn", "--quiet", "--batch-mode", "compile", f"-Dbuild.dir={directory}"]
    done = subprocess.run(maven, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    stamp.write_text(wanted)


class Program:
    """A class with a `main` in a process of its own, which takes commands from its standard input, one a line.

    A program that ends with an error fails the test that waits for it.
    """

    def __init__(self, class_path, directory, options, main, *arguments):
        self.said, self.errors = directory / "said.txt", directory / "errors.txt"
        # Quick to start, small.
        options = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *options]
        command = ["java", *options, "-cp", class_path, main, *arguments]
        with open(self.said, "wb") as said, open(self.errors, "wb") as errors:
            streams = {"stdin": subprocess.PIPE, "stdout": said, "stderr": errors}
            self.process = subprocess.Popen(command, **streams, text=True, cwd=directory)

    def lines(self):
        """What it has said so far, in whole lines."""
        return self.said.read_text().rpartition("\n")[0].splitlines()

    def eventually(self, check):
        def is_so():
            assert self.process.poll() in (None, 0), self.errors.read_text()
            return check()

        return eventually(is_so)

    def says(self, line):
        self.eventually(lambda: line in self.lines())

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_program(tmp_path):
    """Starts one program, which ends with the test at the latest."""
    started = []

    def start(class_path, options, main, *arguments):
        started.append(Program(class_path, tmp_path, options, main, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.kill()


def trust(server, directory):
    """Options that have Java trust the server's certificate."""
    certificate, store = directory / "certificate.pem", directory / "store.p12"
    certificate.write_text(ssl.get_server_certificate(("127.0.0.1", server.port)))
    keytool = ["keytool", "-importcert", "-noprompt", "-alias", "catchment", "-file", certificate]
    subprocess.run([*keytool, "-keystore", store, "-storepass", PASSWORD], check=True, capture_output=True)
    return [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]
