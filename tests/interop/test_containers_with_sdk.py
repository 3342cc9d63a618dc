"""``room.containers`` of the real SDK: with processes in place of containers, and with a real engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.interop.conftest import HERE, Bulkhead, Drive, FakeModel, Sdk, serve
from tests.interop.test_rooms_with_sdk import people

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
