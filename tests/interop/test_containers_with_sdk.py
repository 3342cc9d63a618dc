"""``room.containers`` of the real SDK: with processes in place of containers, and with a real engine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.interop.conftest import HERE, KEY, Bulkhead, Drive, FakeModel, Sdk, serve
from tests.interop.test_command_line import Cli, cli, command_line
from tests.interop.test_rooms_with_sdk import people

__all__ = ["cli", "command_line"]  # fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

IMAGE = os.environ.get("BULKHEAD_TEST_PYTHON_IMAGE", "python:3.13-slim")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    folder = tmp_path_factory.mktemp("containers")
    settings = {"BULKHEAD_CONTAINERS": "process", "BULKHEAD_CONTAINERS_HOST_COMMANDS": "1"}
    yield from serve(folder, model, HERE / "our_agents", **settings)


@pytest.fixture(scope="module")
def server_with_engine(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    """A server on loopback; its containers reach it by the engine's bridge."""
    try:
        subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as reason:
        pytest.skip(f"DOCKER NOT TESTED: no engine with the image {IMAGE}: {reason}")
    named = {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
    folder = tmp_path_factory.mktemp("docker")
    yield from serve(folder, model, HERE / "our_agents", BULKHEAD_CONTAINERS="docker", **named)


def test_run_exec_logs_and_stop(sdk: Sdk, server: Bulkhead, drive: Drive) -> None:
    work = people(server, f"boxes-{sdk.version}", "ada", "bob") | {"image": "debian:12"}
    told = drive(sdk, server, "containers", **work)
    assert told["images"] == ["adder", "chat", "helper"]  # what stands in for them: the agents


def test_the_same_with_an_engine(sdk: Sdk, server_with_engine: Bulkhead, drive: Drive) -> None:
    work = people(server_with_engine, f"boxes-{sdk.version}", "ada", "bob") | {"image": IMAGE}
    assert IMAGE in drive(sdk, server_with_engine, "containers", **work)["images"]


def test_the_real_command_line(sdk: Sdk, server: Bulkhead, cli: Cli) -> None:
    """Those between 0.18 and 0.24 end before they send anything."""
    is_old = sdk.number < (0, 20)
    group = ("container",) if is_old else ("room", "container")
    where = (f"--room=cli-{sdk.version}", "--project-id", KEY.project)
    started = cli(*group, "run", *where, "--image", "debian:12", "--command", "sh -c 'echo hello; sleep 600'")
    listed = cli(*group, "ps" if is_old else "list", *where)
    (container,) = set(re.findall(r"\b[0-9a-f]{32}\b", listed))
    assert container in started or is_old
    logged = cli(*group, "logs" if is_old else "log", *where, "--id", container, "--no-follow")
    assert "hello" in logged.splitlines()
    if not is_old:
        run = ("--container-id", container, "--command", "sh -c 'echo from inside; exit 3'")
        assert "from inside" in cli(*group, "exec", *where, *run, fails=True)  # with its status
    cli(*group, "stop", *where, "--id", container)


def test_the_sdk_keeps_services_and_its_rooms_start_them(sdk: Sdk, server: Bulkhead, drive: Drive) -> None:
    room = f"kept-{sdk.version}"
    work = people(server, room, "ada") | {"base": server.url, "key": KEY.format(), "room": room}
    drive(sdk, server, "kept_services", **work)
