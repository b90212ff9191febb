"""Programs in Java for the tests: Maven compiles them and fetches what they need."""

import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import BINARY

JAVA_RELEASE_MIN = 17


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
