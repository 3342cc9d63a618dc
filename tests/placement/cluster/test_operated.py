"""A whole server whose nodes are looked at and handled by its routes and by commands, over a real engine."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from runtime.cli.main import run
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
        assert await asyncio.to_thread(run, ["nodes"]) == 0
        header, first, second = capsys.readouterr().out.splitlines()
        assert header.split() == ["NODE", "STATE", "CPU", "MEM", "SESSIONS", "STARTS", "BEAT", "CODE"]
        assert first.split()[:2] == ["n1", "draining"]
        assert "chat@9c1f" in first
        assert "moved, 0 to go" in first
        assert second.split()[:2] == ["n2", "ready"]
        assert " 6 " in second
        figures = await asked(server, "/metrics")
        assert 'bulkhead_nodes{state="draining"} 1.0' in figures
        assert 'bulkhead_node_sessions{node="n2"} 6.0' in figures
        assert await asyncio.to_thread(run, ["nodes", "undrain", "n1"]) == 0
        feed = server.front.registry.feed
        told = [one.data for one in feed.after(0, limit=1000) if one.kind.startswith("node.")]
        assert {(one["type"], one["node"]) for one in told} == {
            ("node.joined", "n1"), ("node.joined", "n2"), ("node.draining", "n1"), ("node.undrained", "n1"),
        }  # fmt: skip
