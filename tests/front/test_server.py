from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from runtime.errors import BundleNotFound, ConfigError, JournalUnusable
from runtime.front.__main__ import serve
from runtime.front.server import Server
from runtime.session.exit_reasons import ExitReason
from runtime.settings import load_settings
from runtime.tasks import cancelled
from tests.fakes import FakePlacement, endpoint
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def server(tmp_path: Path, placement: FakePlacement, **knobs: Any) -> Server:
    flags = {"server.port": 0, "server.state_dir": tmp_path / "state"}
    return Server(
        load_settings(flags=flags | {f"server.{name}": value for name, value in knobs.items()}),
        [],
        placement=placement,
    )


async def test_the_file_for_commands_is_there_while_the_server_is(serving: Any, tmp_path: Path) -> None:
    file = tmp_path / "state" / "server.json"
    async with serving() as site:
        about = json.loads(file.read_text())
        assert about["pid"] == os.getpid()
        assert about["url"] == f"http://127.0.0.1:{site.port}"
        assert set(about) == {"pid", "url", "started_at", "version", "key"}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()


async def test_a_port_in_use_is_one_line_with_its_cure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            await server(tmp_path, FakePlacement(), port=port).start()
        assert "--port 0" in caught.value.cure
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.1"):
        await server(tmp_path, FakePlacement(), host="203.0.113.1").start()


async def test_a_state_folder_in_use_leaves_nothing_open(serving: Any, tmp_path: Path) -> None:
    async with serving() as site:
        with pytest.raises(JournalUnusable, match="in use by another server"):
            await server(tmp_path, FakePlacement()).start()
        assert (await site.get("/livez")).status == 200
        assert json.loads((tmp_path / "state" / "server.json").read_text())["url"].endswith(str(site.port))


async def test_a_start_that_is_given_up_waits_for_the_file_that_is_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, opening, may_open, connect = (
        asyncio.get_running_loop(),
        asyncio.Event(),
        threading.Event(),
        sqlite3.connect,
    )

    def slowly(*words: Any, **more: Any) -> sqlite3.Connection:
        loop.call_soon_threadsafe(opening.set)
        assert may_open.wait(30 * PATIENCE)
        return connect(*words, **more)

    monkeypatch.setattr(sqlite3, "connect", slowly)
    starting = asyncio.create_task(server(tmp_path, FakePlacement()).start())
    await opening.wait()
    loop.call_later(0.02, may_open.set)
    await cancelled(starting)
    assert may_open.is_set()  # its thread would have answered to a loop that is over
    again = server(tmp_path, FakePlacement())
    await again.start()  # nobody has it open
    await again.stop()


async def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = load_settings(flags={"server.port": 0, "server.state_dir": tmp_path / "s"})
    with pytest.raises(BundleNotFound, match="nothing-here"):
        await Server(settings, [tmp_path / "nothing-here"]).start()


async def test_every_address_of_the_machine_is_reached_by_workers_through_loopback(serving: Any) -> None:
    async with serving(host="0.0.0.0") as site:
        assert site.server.url == f"http://127.0.0.1:{site.port}"
        await site.post("/chat")
        spec, _ = site.placement.placed[0]
        assert spec.room_url.startswith(f"ws://127.0.0.1:{site.port}/")


# ---- ending


async def test_an_idle_server_ends_at_once_also_with_open_connections(serving: Any) -> None:
    async with serving() as site:
        await site.connect()  # said nothing yet
        minted = (await site.post("/rooms/r/token", b"{}")).json
        url = f"ws://127.0.0.1:{site.port}/rooms/r?token={minted['token']}"
        idle, dead = await connect(url), await connect(url)
        assert await idle.recv()
        assert await dead.recv()
        dead.transport.abort()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await site.server.stop()
        assert loop.time() - began < 1.0
        await idle.close()


async def test_while_sessions_end_calls_are_refused_and_probes_answer(serving: Any) -> None:
    placement = FakePlacement(drain_waits=True)
    async with serving(placement, drain_s=20) as site:
        sid = (await site.post("/chat")).json["session"]
        stopping = asyncio.create_task(site.server.stop())
        async with asyncio.timeout(10 * PATIENCE):
            while not placement.drained:
                await asyncio.sleep(0)
        ready = await site.get("/readyz")
        assert (ready.status, ready.json["reasons"]) == (503, ["draining"])
        refused = await site.post("/chat")
        assert (refused.status, refused.json["type"]) == (503, "urn:bulkhead:problem:draining")
        assert "retry-after" in refused.headers
        assert (await site.get("/livez")).status == 200
        assert (await site.get("/healthz")).json["status"] == "draining"
        placement.exit(sid, ExitReason.DRAINED)
        async with asyncio.timeout(5 * PATIENCE):
            await stopping
        assert placement.drained == [20.0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_what_still_runs(tmp_path: Path, number: signal.Signals) -> None:
    placement = FakePlacement(drain_waits=True)
    one = server(tmp_path, placement, drain_s=600, room="lobby")
    running = asyncio.create_task(serve(one))
    async with asyncio.timeout(15 * PATIENCE):
        # Not while it starts: a signal that comes then gives the start up, and there is nothing to drain.
        while not placement.running or "serve" not in {one.get_name() for one in asyncio.all_tasks()}:
            await asyncio.sleep(0)
        os.kill(os.getpid(), number)
        while not placement.drained:
            await asyncio.sleep(0)
        assert not running.done()
        os.kill(os.getpid(), number)
        assert await running == 0
    assert placement.drained == [600.0, 0]


async def test_a_server_that_fails_by_itself_closes_everything_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = server(tmp_path, FakePlacement())

    async def fail() -> None:
        raise OSError("the socket is gone")

    monkeypatch.setattr(one, "wait", fail)
    async with asyncio.timeout(15 * PATIENCE):
        assert await serve(one) == 1
    assert not (tmp_path / "state" / "server.json").exists()


# ---- calling in at start


async def test_every_endpoint_is_called_into_the_room_once_and_new_ones_when_they_appear(
    serving: Any,
) -> None:
    placement = FakePlacement(listed=[endpoint("/a"), endpoint("/b"), endpoint("/bad", state="failed")])
    async with serving(placement, room="lobby") as site:
        registry = site.server.front.registry
        async with asyncio.timeout(10 * PATIENCE):
            while len(placement.placed) < 2:
                await registry.news(registry.feed.last)
            placement.listed.append(endpoint("/new"))
            for _ in range(3):
                for tell in placement.changed:
                    tell()
            while len(placement.placed) < 3:
                await registry.news(registry.feed.last)
        assert sorted(spec.endpoint for spec, _ in placement.placed) == ["/a", "/b", "/new"]
        assert {spec.room for spec, _ in placement.placed} == {"lobby"}


async def test_a_session_that_the_journal_brought_back_is_not_called_twice(serving: Any) -> None:
    async with serving(FakePlacement(on_place="nothing"), room="lobby") as site:
        front = site.server.front
        async with asyncio.timeout(10 * PATIENCE):
            await front.registry.news(1)
        site.placement.running.clear()  # a crash: the journal still says that it was accepted
    placement = FakePlacement()
    async with serving(placement, room="lobby") as site:
        async with asyncio.timeout(10 * PATIENCE):
            await site.server.front.registry.news(2)
        assert [generation for _, generation in placement.placed] == [1]
