"""Dialling a room's address."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from runtime.errors import RoomLost, RoomRefused, RoomUnreachable
from runtime.rooms.elsewhere.dialled import address_of
from runtime.sdk.room.transport import WebSocketClientProtocol

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("given", "dialled"),
    [
        ("ws://h/rooms/r", "ws://h/rooms/r?v=0.28.15"),
        ("http://h:1/rooms/r", "ws://h:1/rooms/r?v=0.28.15"),
        ("https://h/rooms/r?a=b#x", "wss://h/rooms/r?a=b&v=0.28.15"),
        ("wss://h/rooms/r?v=1", "wss://h/rooms/r?v=1"),
    ],
)
def test_the_address_is_a_websocket_s_and_tells_the_vocabulary(given: str, dialled: str) -> None:
    assert address_of(given) == dialled


@pytest.mark.asyncio
async def test_packets_go_both_ways_and_the_token_in_the_header(
    within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:2")  # must not be asked about loopback
    monkeypatch.delenv("no_proxy", raising=False)
    asked: list[Any] = []

    async def echo(socket: ServerConnection) -> None:
        asked.append((socket.request.path, socket.request.headers["Authorization"]))  # type: ignore[union-attr]
        async for packet in socket:
            await socket.send(packet)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        protocol = WebSocketClientProtocol(url=f"http://127.0.0.1:{port}/rooms/r", token="t0k")
        transport = await within(5, protocol.open(timeout_s=5))
        await transport.send(b"\x00\x01")
        assert await within(5, transport.receive()) == b"\x00\x01"
        await transport.close()
        await transport.close()
        assert await within(5, transport.receive()) is None
        with pytest.raises(RoomLost):
            await transport.send(b"late")
    assert asked == [("/rooms/r?v=0.28.15", "Bearer t0k")]


@pytest.mark.asyncio
async def test_a_proper_close_is_an_end_and_a_broken_line_a_loss(within: Any) -> None:
    async def end(socket: ServerConnection) -> None:
        if socket.request is not None and "cut" in socket.request.path:
            socket.transport.abort()

    async with serve(end, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        closed = await WebSocketClientProtocol(url=f"ws://127.0.0.1:{port}/", token="t").open(timeout_s=5)
        assert await within(5, closed.receive()) is None
        cut = await WebSocketClientProtocol(url=f"ws://127.0.0.1:{port}/cut", token="t").open(timeout_s=5)
        with pytest.raises(RoomLost):
            await within(5, cut.receive())
        await closed.close()
        await cut.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, RoomRefused), (403, RoomRefused), (404, RoomRefused), (423, RoomRefused), (503, RoomUnreachable)],
)
@pytest.mark.asyncio
async def test_each_refusal_says_what_to_do(status: int, error: type[Exception]) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(status, "no")

    async def never(socket: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(error, match=str(status)) as caught:
            await WebSocketClientProtocol(url=f"ws://127.0.0.1:{port}/", token="t").open(timeout_s=5)
        assert caught.value.cure  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_nobody_there_is_unreachable() -> None:
    for url in ("ws://127.0.0.1:1/rooms/r", "nonsense"):
        with pytest.raises(RoomUnreachable):
            await WebSocketClientProtocol(url=url, token="t").open(timeout_s=5)
