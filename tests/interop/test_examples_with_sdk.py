"""Services of the shapes that are around, with the SDK of their day, and without any provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.conftest import HERE, Bulkhead, Drive, serve
from tests.interop.environments import VERSIONS, installed
from tests.interop.fake_model import FakeModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    folder = tmp_path_factory.mktemp("offline")
    without = {"BULKHEAD_MODEL_URL": "", "BULKHEAD_MODEL_KEY": "", "BULKHEAD_OFFLINE_DELAY_MS": "0"}
    yield from serve(folder, model, HERE / "our_agents", **without)


def test_an_indexer_with_its_chat_a_bookkeeper_and_an_author(offline: Bulkhead, drive: Drive) -> None:
    tokens = {name: offline.token("shop", name) for name in ("indexer", "librarian", "bookkeeper", "author")}
    ada = offline.token("shop", "ada", "user")
    drive(installed("0.7.1"), offline, "examples", url=offline.room_url("shop"), ada=ada, **tokens)


def test_an_agent_of_anthropics_messages(offline: Bulkhead, drive: Drive) -> None:
    ada = offline.token("messages", "ada")
    work = {"url": offline.room_url("messages"), "base": f"{offline.url}/anthropic", "ada": ada}
    drive(installed(VERSIONS[-1]), offline, "messages", **work)
