"""``room.containers`` of the real SDK, with processes in place of containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.conftest import HERE, Bulkhead, Drive, FakeModel, Sdk, serve
from tests.interop.test_rooms_with_sdk import people

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    folder = tmp_path_factory.mktemp("containers")
    yield from serve(
        folder,
        model,
        HERE / "our_agents",
        BULKHEAD_CONTAINERS="process",
        BULKHEAD_CONTAINERS_HOST_COMMANDS="1",
    )


def test_run_exec_logs_and_stop(sdk: Sdk, server: Bulkhead, drive: Drive) -> None:
    told = drive(sdk, server, "containers", **people(server, f"boxes-{sdk.version}", "ada", "bob"))
    assert told["images"] == ["adder", "chat", "helper"]  # what stands in for them: the agents
