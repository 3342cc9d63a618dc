"""The front's own way into a room of another server."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from runtime.front.model.by_pipe.elsewhere import NoModel, RoomElsewhere
from runtime.model.contract import MAX_REQUEST_BYTES

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_room_on_this_machine_is_entered_without_a_proxy_and_left_once(
    within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:2")
    monkeypatch.delenv("no_proxy", raising=False)

    async def greet(socket: ServerConnection) -> None:
        assert socket.request is not None
        await socket.send(socket.request.headers["Authorization"].encode())
        async for packet in socket:
            await socket.send(packet)

    async with serve(greet, "127.0.0.1", 0) as server:
        port = RoomElsewhere(
            f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rooms/r", "t0k", is_inward=False
        )
        await port.send(b"before anybody read: there is no room yet")
        assert await within(5, port.receive()) == b"Bearer t0k"
        await port.send(b"\x00")
        assert await within(5, port.receive()) == b"\x00"
        await port.close()
        await port.close()
        assert await within(5, port.receive()) is None
        await port.send(b"late")


async def test_a_request_may_be_as_large_whether_a_model_is_there_or_not() -> None:
    assert NoModel().max_body_bytes == MAX_REQUEST_BYTES
