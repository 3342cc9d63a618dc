"""What is distributed: a wheel and a source archive that hold the whole thing, tried where nothing else is.

Installs into an environment of its own, so it needs a package index.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import __version__
from runtime.cli.ports import any_free
from runtime.cli.service import own_wheel
from tests.journeys.conftest import Server
from tests.patience import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600 * PATIENCE)]

ROOT = Path(__file__).resolve().parents[2]
WHEEL = f"bulkhead_runtime-{__version__}-py3-none-any.whl"
ARCHIVE = f"bulkhead_runtime-{__version__}.tar.gz"


def run(*argv: str | Path, cwd: Path, **more: Any) -> str:
    """Run a program to its end; what it says, or a failed test with it."""
    told = subprocess.run(
        argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more
    )
    assert told.returncode == 0, f"{argv}\n{told.stdout[-4000:]}"
    return told.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """A new virtual environment with these packages; its folder of programs."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    told = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
    if told.returncode != 0 and re.search(
        r"No matching distribution|Connection|Temporary failure", told.stderr
    ):
        pytest.skip("no package index can be reached: wheel and source archive were not built and installed")
    assert told.returncode == 0, told.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from this checkout."""
    folder = tmp_path_factory.mktemp("build")
    builder = environment(folder / "builder", "hatchling>=1.27")
    run(builder / "python", "-m", "hatchling", "build", "-d", folder / "dist", cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """The programs of an empty environment into which the wheel was installed."""
    return environment(built / "empty", built / "dist" / WHEEL)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_source_archive_builds_the_same_wheel(built: Path) -> None:
    with tarfile.open(built / "dist" / ARCHIVE) as archive:
        archive.extractall(built / "unpacked", filter="data")
    source = built / "unpacked" / ARCHIVE.removesuffix(".tar.gz")
    assert {entry.name for entry in source.iterdir()} >= {"runtime", "agents", "tests", "LICENSE"}
    builder = built / "builder" / "bin" / "python"
    run(builder, "-m", "hatchling", "build", "-t", "wheel", "-d", built / "again", cwd=source)
    assert contents(built / "again" / WHEEL) == contents(built / "dist" / WHEEL)


def test_the_wheel_that_a_new_service_brings_is_that_wheel(built: Path, tmp_path: Path) -> None:
    made = own_wheel.write(tmp_path)
    assert made is not None
    ours, theirs = contents(made), contents(built / "dist" / WHEEL)
    assert ours.keys() == theirs.keys()
    written = {name for name in ours if ".dist-info/" in name}  # each in its own words
    assert [name for name in ours if ours[name] != theirs[name] and name not in written] == []


@pytest.fixture
def user(installed: Path, tmp_path: Path) -> Iterator[Any]:
    """Somebody in an empty folder with an empty home, whose shell finds the installed command."""
    someone = _User(installed, tmp_path)
    yield someone
    for server in someone.servers:
        server.stop()


class _User:
    def __init__(self, programs: Path, folder: Path) -> None:
        (folder / "home").mkdir()
        (folder / "here").mkdir()
        self.here, self.servers = folder / "here", list[Server]()
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.env = {"PATH": path, "HOME": str(folder / "home"), "LANG": "C.UTF-8"}

    def run(self, command: str, **more: Any) -> str:
        return run("sh", "-c", command, cwd=self.here, env=self.env, **more)

    def serve(self, *command: str) -> Server:
        process = subprocess.Popen(
            ["bulkhead", *command],
            cwd=self.here,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            executable=str(Path(self.env["PATH"].partition(os.pathsep)[0]) / "bulkhead"),
        )
        self.servers.append(Server(process))
        return self.servers[-1]


@pytest.mark.long
def test_demo_shows_the_examples_that_it_brings(user: Any) -> None:
    assert user.run("bulkhead --version") == f"bulkhead {__version__}\n"
    demo = user.serve("demo", "--port", "0")
    demo.read_until(r"/helper +helper .* in room demo")
    assert "Fun fact:" in user.run("echo hello | bulkhead chat --room demo --to chatbot")


@pytest.mark.long
def test_a_new_service_is_tested_served_and_talked_to(user: Any) -> None:
    printed = user.run("bulkhead init myagent")
    assert (user.here / "myagent" / "wheels" / WHEEL).is_file()
    test = re.search(r"test +(.*)\n", printed)
    assert test
    assert test[1] == "cd myagent && python -m unittest discover tests"
    assert "OK" in user.run(test[1], timeout=300)
    port = any_free()
    serve = user.serve("serve", "myagent/main.py", "--port", str(port), "--room", "myroom")
    serve.read_until(r"worker\.ready")
    chat = f"echo 'what is 6 * 7?' | bulkhead chat --url http://127.0.0.1:{port} --room myroom --to chatbot"
    assert "42" in user.run(chat)


@pytest.mark.long
def test_the_program_runs_by_itself_under_either_name(user: Any) -> None:
    program = "from bulkhead import Limits; from meshagent.agents.chat import ChatBot; print(Limits, ChatBot)"
    assert user.run(f'python -c "{program}"').count("class 'runtime.") == 2
