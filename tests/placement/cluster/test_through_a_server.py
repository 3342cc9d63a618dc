"""What a person asks a server about a session that runs on a node: one real session, over a real engine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine
from tests.placement.cluster.test_operated import asked

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AGENT = """
    @service.path("/x")
    class Plain(Base):
        async def start(self, *, room):
            await super().start(room=room)
            print("hello from here", flush=True)
"""
CALL = '{"event":"room.call","data":{"room_name":"myroom"}}'


async def test_everything_that_is_asked_of_a_session_is_answered_by_its_node(node: Any, site: Any) -> None:
    node.write("x.py", AGENT)
    await node.start()
    node._reader.cancel()  # its events are the node server's
    async with site.node(node.placement), site.server(chaos=True) as server:

        async def told(path: str, body: Any = None) -> Any:
            return json.loads(await asked(server, path, body))

        called = await told("/x?wait=ready", json.loads(CALL))
        at = f"/workers/{called['session']}"
        detail = await told(at)
        assert (detail["node"], len(detail["processes"])) == ("local", 1)
        assert detail["rss_bytes"] > 0
        async with asyncio.timeout(30 * PATIENCE):
            while not (lines := (await told(f"{at}/logs"))["lines"]):
                await asyncio.sleep(0.05)
        assert [line["text"] for line in lines] == ["hello from here"]
        assert "run_forever" in await asked(server, f"{at}/stacks")
        assert (await told(f"{at}/messages"))["messages"]
        assert (await told(f"{at}/ping", {}))["round_trip_ms"] > 0
        await told(f"{at}/faults", {"fault": "segfault"})
        async with asyncio.timeout(30 * PATIENCE):
            while not (crashes := (await told("/crashes"))["crashes"]):
                await asyncio.sleep(0.1)
        assert crashes[0]["endpoint"] == "/x"
        report = await told(f"{at}/crash")
        assert report["exit"]["reason"] == "signal"
        assert report["native"], "written on the node, read here"
        assert report["log"][0]["text"] == "hello from here"
        async with asyncio.timeout(30 * PATIENCE):
            while not (await told("/usage?by=endpoint"))["rows"]:
                await asyncio.sleep(0.1)


async def test_the_connection_of_a_caller_is_the_room_of_a_session_elsewhere(site: Any) -> None:
    n1 = machine("n1")
    async with site.node(n1), site.server() as server:
        async with asyncio.timeout(30 * PATIENCE):
            await server.loaded()
            address = server.url.replace("http", "ws")
            headers = {"Meshagent-Webhook": CALL}
            async with connect(f"{address}/chat", additional_headers=headers, compression=None) as caller:
                while not n1.placed:
                    await asyncio.sleep(0.02)
                spec, _ = n1.placed[0]
                assert (spec.relay, spec.room_url) == (False, f"{address}/relay/{spec.session_id}")
                given = {"Authorization": f"Bearer {spec.token}"}
                async with connect(spec.room_url, additional_headers=given, compression=None) as session:
                    await caller.send(b"\x00down")
                    assert await session.recv() == b"\x00down"
                    await session.send(b"up")
                    assert await caller.recv() == b"up"
                    with pytest.raises(Exception, match="403"):
                        await connect(spec.room_url, additional_headers=given)  # it was good once
                with pytest.raises(ConnectionClosed):
                    await caller.recv()
