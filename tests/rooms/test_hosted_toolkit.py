"""A toolkit that a participant of this server's own hosts, and a room that does not take what it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from runtime.services.life.mcp.hosting import HostedToolkit
from runtime.wire.content import Content, TextContent
from runtime.wire.room import Assembler, encode
from tests.rooms.conftest import RoomError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SPEC = {"types": ["json"], "stream": False, "schema": {"type": "object"}}


class Port:
    """A way into a room, where what takes a registration away is refused once, and said twice then."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket, self._said = websocket, Assembler()
        self._refused = False

    async def receive(self) -> bytes | None:
        try:
            packet = await self._websocket.recv()
        except ConnectionClosed:
            return None
        return packet if isinstance(packet, bytes) else packet.encode()

    async def send(self, packet: bytes) -> None:
        if (message := self._said.receive(packet)) is None:
            return
        sent = [message]
        if message.type == "agent.unregister_toolkit":
            if self._refused:
                sent = [msgspec.structs.replace(message, id=1_000_000 + message.id), message]
            else:
                self._refused, sent = True, [msgspec.structs.replace(message, header={"id": 1})]
        for one in sent:
            for piece in encode(one):
                await self._websocket.send(piece)

    async def close(self) -> None:
        await self._websocket.close()


async def test_a_toolkit_is_changed_though_what_it_was_is_not_taken_away(house: Any) -> None:
    def kit(tool: str) -> dict[str, Any]:
        described = {"title": tool, "description": "", "input_spec": SPEC, "output_spec": None}
        return {"name": "wiki", "title": "wiki", "public": True, "tools": {tool: described}}

    async def called(tool: str, _: dict[str, Any]) -> Content:
        return TextContent(tool)

    ada = await house.join("ada")
    token = house.hub.token("lab", "wiki")
    async with connect(f"{house.url}/rooms/lab?v=0.7.1&token={token}", compression=None) as websocket:
        hosted = HostedToolkit(Port(websocket), kit("one"), called)
        await hosted.start()
        await hosted.change(kit("two"))
        assert hosted.described == kit("two")
        assert (await ada.tool("wiki.two")).header["text"] == "two"
        # With the next change it is: all that was there before.
        await hosted.change(kit("three"))
        assert (await ada.tool("wiki.three")).header["text"] == "three"
        for former in ("one", "two"):
            with pytest.raises(RoomError, match=f"no tool '{former}'"):
                await ada.tool(f"wiki.{former}")
        await hosted.aclose()
