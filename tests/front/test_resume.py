"""Sessions that come back with their server: below a real init, with real processes."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.front.test_signals import Tree, tree
from tests.patience import PATIENCE

BUNDLE = """
import asyncio
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/quick", identity="quick")
class Quick:
    async def start(self, *, room): pass
    async def stop(self): pass

asyncio.run(service.run())
"""
pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "one.py").write_text(BUNDLE)
    return folder


async def _called(one: Tree, room: str) -> str:
    body = json.dumps({"event": "room.call", "data": {"room_name": room}}).encode()
    answer = await one.ask("POST", "/quick", body, Prefer="wait=20")
    assert answer.status == 200, answer.body
    return str(answer.json["session"])


async def _ready(one: Tree, count: int) -> dict[str, dict[str, Any]]:
    async with asyncio.timeout(30 * PATIENCE):
        while True:
            workers = (await one.ask("GET", "/workers")).json["workers"]
            if len([each for each in workers if each["state"] == "ready"]) == count:
                return {each["id"]: each for each in workers}
            await asyncio.sleep(0.05)


async def test_a_killed_front_is_told_once_and_every_session_is_back_under_its_id(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path, server__room="setting") as one:
        called = {await _called(one, room) for room in ("a", "b", "c")}
        before = await _ready(one, 4)
        for _ in range(2):
            mark = len(one.log)
            one.front.kill()
            told = await one.until("server.was_lost", after=mark)
            one.url = (await one.until("server.started", after=mark))["url"]
            after = await _ready(one, 4)
            assert told["detail"] == "the server was killed by signal 9: 4 sessions are started again"
            assert set(after) == set(before) >= called
            assert {each["room"] for each in after.values()} == {"a", "b", "c", "setting"}
            assert {each["restart"]["last_exit"]["reason"] for each in after.values()} == {"front_lost"}
            assert not [line for line in one.log[mark:] if line["event"] == "session.crashed"]
            before = after


async def test_after_a_stop_and_a_start_the_sessions_are_back_but_not_those_of_another_setting(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path, server__room="old") as one:
        kept, stopped = await _called(one, "a"), await _called(one, "b")
        await _ready(one, 3)
        await one.ask("DELETE", f"/workers/{stopped}")
        await one.end(signal.SIGTERM)
    async with tree(tmp_path, server__room="new") as one:
        await one.until("sessions.resumed")
        after = await _ready(one, 2)
        assert after[kept]["restart"]["last_exit"]["reason"] == "drained"
        assert {each["room"] for each in after.values()} == {"a", "new"}
        await one.end(signal.SIGTERM)
    async with tree(tmp_path, server__room="", supervisor__resume=False) as one:
        await one.ready()
        assert await _ready(one, 0) == {}
