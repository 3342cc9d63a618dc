"""TERM: what was accepted and did not run is the next server's, and nothing but sessions is waited for."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakePlacement
from tests.front.conftest import CALL
from tests.front.test_signals import Tree, tree
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AGENTS = """
import asyncio
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/slow", identity="slow", restart="never")
class Slow:
    async def start(self, *, room):
        print("is starting", flush=True)
        await asyncio.sleep({start_s})
    async def stop(self): pass

asyncio.run(service.run())
"""
HANGS = "import time\nprint('hangs in its import', flush=True)\ntime.sleep(1000)\n"


@pytest.mark.parametrize("turn", ["starting", "queued"])
async def test_whoever_waits_when_the_server_ends_gets_a_503_and_the_call_runs_afterwards(
    serving: Any, turn: str
) -> None:
    headers = {"Prefer": "wait=60", "Idempotency-Key": "one"}
    async with serving(FakePlacement(on_place="started", max_starting=1)) as site:
        if turn == "queued":
            assert (await site.post("/chat")).status == 200
        asking = asyncio.create_task(site.post("/chat", CALL, headers))
        feed = site.server.front.registry.feed
        async with asyncio.timeout(5 * PATIENCE):
            while [event.kind for event in feed.after(0)].count("session.accepted") < 1 + (turn == "queued"):
                await site.server.front.registry.news(feed.last)
            await site.server.stop()
        answer = await asking
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json["type"].endswith(":draining")
        session = answer.json["session"]
    async with serving(FakePlacement()) as site:
        answer = await site.post("/chat", CALL, headers)
        assert (answer.status, answer.json["session"], answer.json["state"]) == (200, session, "ready")


async def _printed(one: Tree, text: str) -> None:
    async with asyncio.timeout(20 * PATIENCE), one.told:
        await one.told.wait_for(lambda: [line for line in one.log if line.get("line") == text])


async def test_term_waits_for_nothing_but_sessions_and_loses_no_call(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "slow.py").write_text(AGENTS.replace("{start_s}", "1000"))
    call = json.dumps({"event": "room.call", "data": {"room_name": "r"}}).encode()
    async with tree(tmp_path, server__watch=False) as one:
        (agents / "hangs.py").write_text(HANGS)
        one.front.send_signal(signal.SIGHUP)  # loads what changed
        await _printed(one, "hangs in its import")
        asking = asyncio.create_task(one.ask("POST", "/slow", call, Prefer="wait=60"))
        await _printed(one, "is starting")
        port = int(one.url.rsplit(":", 1)[1])
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in idle[1:]:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        idle[0][1].write(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        for reader, _ in idle:
            await reader.readuntil(b"\r\n\r\n")
        _, took_s = await one.end(signal.SIGTERM)
        assert took_s < 5 * PATIENCE, [line["event"] for line in one.log]
        answer = await asking
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        for _, writer in idle:
            writer.close()
    (agents / "hangs.py").unlink()
    (agents / "slow.py").write_text(AGENTS.replace("{start_s}", "0"))
    async with tree(tmp_path, server__watch=False) as one:
        async with asyncio.timeout(20 * PATIENCE):
            while True:
                (worker,) = (await one.ask("GET", "/workers")).json["workers"]
                if worker["state"] == "ready":
                    break
                await asyncio.sleep(0.05)
        assert worker["id"] == answer.json["session"]
