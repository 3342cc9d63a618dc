"""A whole server whose nodes are looked at and handled by its routes and by commands, over a real engine."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import AsyncExitStack
from typing import Any

import pytest

from runtime.cli.main import run
from runtime.process.descriptors import PER_SESSION, sessions_that_fit
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def asked(server: Any, path: str, body: Any = None) -> str:
    def ask() -> str:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30 * PATIENCE) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(ask)


async def nodes(server: Any) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(await asked(server, "/nodes"))["nodes"]}


async def test_nodes_are_listed_drained_and_measured(
    site: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site.node(machine("n1")), site.node(machine("n2")), site.server() as server:
        monkeypatch.setenv("BULKHEAD_URL", server.url)
        async with asyncio.timeout(30 * PATIENCE):
            while [one["code"] for one in (await nodes(server)).values()] != [{"chat": "9c1f00000000"}] * 2:
                await asyncio.sleep(0.05)
        for number in range(6):
            call = {"event": "room.call", "data": {"room_name": f"r{number}"}}
            await asked(server, "/chat?wait=ready", call)
        await asked(server, "/nodes/n1/drain", {})
        status = await asyncio.to_thread(run, ["nodes", "drain", "n1"])  # once more is no error, and waits
        assert status == 0
        assert "n1 runs nothing" in capsys.readouterr().out
        workers = json.loads(await asked(server, "/workers"))["workers"]
        async with asyncio.timeout(30 * PATIENCE):
            while {(one["node"], one["state"]) for one in workers} != {("n2", "ready")}:
                await asyncio.sleep(0.05)
                workers = json.loads(await asked(server, "/workers"))["workers"]
        assert len(workers) == 6
        assert [one["restarts"] for one in workers] == [0] * 6
        server.front.placement._follower.nodes["n2"].withheld(2, 0.0)
        assert await asyncio.to_thread(run, ["nodes"]) == 0
        said = capsys.readouterr()
        assert "n2 took 2 sessions and did not tell of them in time" in said.err
        header, first, second = said.out.splitlines()
        assert header.split() == ["NODE", "STATE", "CPU", "MEM", "SESSIONS", "STARTS", "BEAT", "CODE"]
        assert first.split()[:2] == ["n1", "draining"]
        assert "chat@9c1f" in first
        assert "moved, 0 to go" in first
        assert second.split()[:2] == ["n2", "ready"]
        assert " 6 " in second
        health = json.loads(await asked(server, "/healthz?verbose"))["descriptors"]
        assert health["sessions"] == PER_SESSION * sessions_that_fit()  # it has but their rooms' connections
        figures = await asked(server, "/metrics")
        assert 'bulkhead_nodes{state="draining"} 1.0' in figures
        assert 'bulkhead_node_sessions{node="n2"} 6.0' in figures
        assert await asyncio.to_thread(run, ["nodes", "undrain", "n1"]) == 0
        feed = server.front.registry.feed
        told = [one.data for one in feed.after(0, limit=1000) if one.kind.startswith("node.")]
        assert {(one["type"], one["node"]) for one in told} == {
            ("node.joined", "n1"), ("node.joined", "n2"), ("node.draining", "n1"), ("node.undrained", "n1"),
        }  # fmt: skip


async def test_no_call_fails_while_one_node_after_the_other_is_started_anew(site: Any) -> None:
    async with AsyncExitStack() as parts, site.server() as server:
        running = {name: await parts.enter_async_context(site.node(machine(name))) for name in ("n1", "n2")}
        rolled, called = asyncio.Event(), list[str]()

        async def until_ready(*boots: str) -> None:
            async with asyncio.timeout(30 * PATIENCE):
                while sorted(
                    (one["boot"], one["state"]) for one in (await nodes(server)).values() if one["code"]
                ) != [(boot, "ready") for boot in boots]:
                    await asyncio.sleep(0.05)

        async def call() -> None:
            while not rolled.is_set():
                body = {"event": "room.call", "data": {"room_name": f"r{len(called)}"}}
                done = json.loads(
                    await asked(server, "/chat?wait=ready", body)
                )  # another status than 2xx raises
                called.append(done["session"])

        await until_ready("b1", "b1")
        calling = [asyncio.create_task(call()) for _ in range(3)]
        for name, boots in (("n1", ("b1", "b2")), ("n2", ("b2", "b2"))):
            ending = running[name]
            await ending.drain(5.0)
            await ending.settle(30 * PATIENCE)
            await ending.leave()
            await ending.aclose()
            await ending._engine.aclose()
            await parts.enter_async_context(site.node(machine(name, "b2")))
            await until_ready(*boots)
        rolled.set()
        await asyncio.gather(*calling)
        async with asyncio.timeout(30 * PATIENCE):
            while True:
                workers = json.loads(await asked(server, "/workers?all=1&limit=1000"))["workers"]
                if all(one["state"] == "ready" for one in workers):
                    break
                await asyncio.sleep(0.05)
        assert {one["id"] for one in workers} == set(called)
        assert {one["restarts"] for one in workers} == {0}
        assert len(called) >= 6
