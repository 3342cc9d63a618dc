from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.front.http.socket import MAX_WAITING_COUNT
from runtime.session.exit_reasons import ExitReason
from runtime.wire.signature import meshagent_signature
from tests.fakes import FakePlacement
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SECRET = "a-secret-of-at-least-thirty-two-bytes"
CALL = '{"event":"room.call","data":{"room_name":"myroom"}}'


def dial(site: Any, path: str = "/chat", payload: str | None = CALL, **headers: str) -> connect:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if payload is not None:
        named["Meshagent-Webhook"] = payload
    return connect(f"ws://127.0.0.1:{site.port}{path}", additional_headers=named, compression=None)


async def status_of(dialled: connect) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with dialled:
            pass
    return caught.value.response.status_code


async def relayed(site: Any, socket: ClientConnection) -> tuple[str, Any]:
    while not site.placement.relays:
        await asyncio.sleep(0)
    return next(iter(site.placement.relays.items()))


async def test_packets_travel_both_ways_and_the_end_of_the_session_closes_the_socket(serving: Any) -> None:
    async with serving() as site, dial(site) as socket:
        sid, port = await relayed(site, socket)
        spec, _ = site.placement.placed[0]
        assert (spec.relay, spec.room, spec.token, spec.room_url) == (True, "myroom", "", "")
        async with asyncio.timeout(10 * PATIENCE):
            await socket.send(b"\x00up")
            await socket.send(b"")
            assert (await port.receive(), await port.receive()) == (b"\x00up", b"")
            await port.send(b"down")
            assert await socket.recv() == b"down"
            site.placement.exit(sid, ExitReason.FINISHED)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1000
            assert await port.receive() is None


async def test_what_was_sent_before_the_socket_closed_is_still_read(serving: Any) -> None:
    async with serving() as site:
        async with dial(site) as socket:
            _, port = await relayed(site, socket)
            for number in range(5):
                await socket.send(bytes([number]))
        async with asyncio.timeout(10 * PATIENCE):
            assert [await port.receive() for _ in range(6)] == [b"\0", b"\1", b"\2", b"\3", b"\4", None]
            await port.send(b"too late")
            await port.close()


async def test_a_text_message_is_not_the_protocol(serving: Any) -> None:
    async with serving() as site, dial(site) as socket:
        _, port = await relayed(site, socket)
        await socket.send("text")
        async with asyncio.timeout(10 * PATIENCE):
            assert await port.receive() is None
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1003


async def test_a_caller_that_is_not_read_is_slowed_down(serving: Any) -> None:
    async with serving() as site, dial(site) as socket:
        _, port = await relayed(site, socket)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    await socket.send(b"x" * 100_000)
                    sent += 1
        assert sent < 400  # bounded by queues and socket buffers, however long it goes on
        assert port._websocket.receive.__self__.qsize() <= MAX_WAITING_COUNT
        async with asyncio.timeout(10 * PATIENCE):
            for _ in range(50):
                assert await port.receive() == b"x" * 100_000
        socket.transport.abort()


async def test_refusals_are_said_before_the_socket_is_accepted(serving: Any) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with serving(placement, supervisor={"max_queued": 0}) as site:
        assert await status_of(dial(site, "/nope")) == 404
        assert await status_of(dial(site, payload=None)) == 400
        assert await status_of(dial(site, payload="{")) == 400
        assert await status_of(dial(site, payload='{"event":"room.ended","data":{"room_name":"r"}}')) == 400
        assert await status_of(dial(site, Origin="http://evil.example")) == 403
        assert await status_of(dial(site, X_Forwarded_For="203.0.113.7")) == 403
        assert await status_of(dial(site, "/workers")) == 404
        async with dial(site, Idempotency_Key="k"):
            assert await status_of(dial(site)) == 429
            assert await status_of(dial(site, Idempotency_Key="k")) == 409


async def test_the_header_is_what_is_signed(serving: Any) -> None:
    async with serving(webhook_secret=SECRET) as site:
        assert await status_of(dial(site)) == 401
        wrong = meshagent_signature(b"{}", SECRET)
        assert await status_of(dial(site, Meshagent_Signature=wrong)) == 401
        async with dial(site, Meshagent_Signature=meshagent_signature(CALL.encode(), SECRET)):
            assert len(site.placement.placed) == 1
