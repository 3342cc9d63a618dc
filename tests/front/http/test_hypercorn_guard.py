"""What a peer writes into a handshake, or into frames that never end, is answered and bounded."""

from __future__ import annotations

import asyncio
import gc
import struct
from typing import Any

import pytest
from hypercorn.events import RawData
from hypercorn.protocol import ws_stream
from hypercorn.protocol.ws_stream import FrameTooLargeError
from structlog.testing import capture_logs
from wsproto.events import BytesMessage

from runtime.front.http import hypercorn_guard, listener
from runtime.front.http.hypercorn_guard import MAX_UNFINISHED_BYTES, Handshake, UnfinishedMessage
from tests.patience import PATIENCE

MIB = 1 << 20
FRAME = struct.Struct(">BBQI")
UPGRADE = {
    b"Host": b"localhost",
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version": b"13",
}
HEADERS = (
    *(b"Host", b"Connection", b"Sec-WebSocket-Key", b"Sec-WebSocket-Version", b"Sec-WebSocket-Protocol"),
    *(b"Sec-WebSocket-Extensions", b"Origin", b"Authorization", b"Cookie", b"X-Request-Id", b"User-Agent"),
    *(b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Forwarded", b"traceparent", b"Sec-Fetch-Site"),
)


async def status(site: Any, path: bytes, more: dict[bytes, bytes]) -> bytes:
    reader, writer = await site.connect()
    head = b"".join(name + b": " + value + b"\r\n" for name, value in {**UPGRADE, **more}.items())
    writer.write(b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n")
    async with asyncio.timeout(10 * PATIENCE):
        line: bytes = await reader.readline()
    writer.close()
    return line[9:12]


@pytest.mark.process
@pytest.mark.asyncio
async def test_whatever_bytes_a_handshake_has_it_is_answered(serving: Any) -> None:
    told: list[str] = []
    async with serving() as site:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        room = b"/rooms/lab?token=" + site.server.front.rooms.token("lab", "ada").encode()
        with capture_logs() as logged:
            assert await status(site, room, {}) == b"101"
            for path in (room, b"/chat", b"/nowhere"):
                for name in HEADERS:
                    for value in (b"\xff", b"\xc3\xa9", b"", b"a\xff, b"):
                        assert b"100" < await status(site, path, {name: value}) < b"500", (path, name, value)
            for name in (b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Version"):
                assert await status(site, room, {name: b"\xff"}) == b"400"
            wrong = b"permessage-deflate; server_max_window_bits=abc"
            assert await status(site, room, {b"Sec-WebSocket-Extensions": wrong}) == b"400"
            for value in (b";;=", b"x; y=z", b"permessage-deflate; client_max_window_bits"):
                assert await status(site, room, {b"Sec-WebSocket-Extensions": value}) == b"101"
            assert await status(site, room, {b"Cookie": b"name=\xff", b"User-Agent": b"\xe9"}) == b"101"
        assert told == []
        assert [one for one in logged if one["log_level"] in ("error", "critical")] == []


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_a_proxy_could_read_otherwise_is_refused(serving: Any) -> None:
    async with serving() as site:

        async def said(request: bytes) -> bytes:
            reader, writer = await site.connect()
            writer.write(request)
            async with asyncio.timeout(10 * PATIENCE):
                answer: bytes = await reader.read()
            writer.close()
            return answer

        # A proxy that passes upgrades on, for websockets, would let all through that comes after this one.
        upgrade = (
            b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABk\r\n"
        )
        answer = await said(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        # One that goes by the length would take the second for the body of the first.
        twice = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        second = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = await said(b"POST /chat HTTP/1.1\r\nHost: localhost\r\n" + twice + second)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1
        # One that speaks HTTP/1.0 knows no chunks: to it what follows the head is no body, or one to the end.
        chunks = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        answer = await said(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n" + chunks)
        assert answer.startswith(b"HTTP/1.1 400 ")
        answer = await said(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        assert answer.startswith(b"HTTP/1.1 505 ")


@pytest.mark.unit
def test_a_handshake_that_cannot_be_read_is_none() -> None:
    plain = [(name.lower(), value) for name, value in UPGRADE.items()]
    assert Handshake(plain, "1.1").is_valid()
    assert not Handshake([*plain, (b"sec-websocket-protocol", b"\xff")], "1.1").is_valid()
    assert Handshake([*plain, (b"x-other", b"\xff")], "1.1").is_valid()
    assert not Handshake(plain, "1.0").is_valid()


@pytest.mark.unit
def test_unfinished_messages_of_all_connections_have_one_bound() -> None:
    gc.collect()
    before = UnfinishedMessage.all_bytes, UnfinishedMessage.all_count
    frame = BytesMessage(b"x" * MIB, frame_finished=True, message_finished=False)
    small = UnfinishedMessage(4 * MIB)
    small.extend(BytesMessage(b"x" * 100, message_finished=False))
    buffers, refused = [UnfinishedMessage(4 * MIB) for _ in range(40)], 0
    for buffer in buffers:
        for _ in range(4):
            try:
                buffer.extend(frame)
            except FrameTooLargeError:
                refused += 1
            assert UnfinishedMessage.all_bytes <= MAX_UNFINISHED_BYTES + 2 * MIB
    assert refused > 0
    small.extend(BytesMessage(b"x" * 100, message_finished=False))
    assert small.length == 200
    with pytest.raises(FrameTooLargeError):
        small.extend(BytesMessage(b"x" * 5 * MIB, message_finished=False))
    small.clear()
    small.extend(BytesMessage(b"", message_finished=True))
    small.clear()
    del buffer, buffers, small
    gc.collect()
    assert (UnfinishedMessage.all_bytes, UnfinishedMessage.all_count) == before


@pytest.mark.process
@pytest.mark.asyncio
async def test_frames_that_never_end_are_counted_until_their_connection_is_gone(serving: Any) -> None:
    async with serving() as site:
        room = b"/rooms/lab?token=" + site.server.front.rooms.token("lab", "ada").encode()
        gc.collect()
        before = UnfinishedMessage.all_bytes
        reader, writer = await site.connect()
        head = b"".join(name + b": " + value + b"\r\n" for name, value in UPGRADE.items())
        writer.write(b"GET " + room + b" HTTP/1.1\r\n" + head + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FRAME.pack(0x02, 0xFF, MIB, 0) + b"x" * MIB)  # binary, and no last frame
        async with asyncio.timeout(10 * PATIENCE):
            while UnfinishedMessage.all_bytes < before + MIB:
                await asyncio.sleep(0.01)
        writer.close()
        async with asyncio.timeout(10 * PATIENCE):
            while UnfinishedMessage.all_bytes > before:
                gc.collect()
                await asyncio.sleep(0.01)


@pytest.mark.process
@pytest.mark.asyncio
@pytest.mark.parametrize("reads", [True, False])
async def test_a_connection_that_its_peer_has_closed_is_not_held(serving: Any, reads: bool) -> None:
    async with serving() as site:
        for _ in range(10):
            reader, writer = await site.connect()
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if reads:
                await reader.readline()
            writer.write_eof()
            async with asyncio.timeout(10 * PATIENCE):
                await reader.read()  # until the server closes
            writer.close()


ASKED = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_connection_is_kept_while_it_asks_and_closed_when_it_pauses_for_too_long(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_s = 0.6 * PATIENCE
    monkeypatch.setattr(listener, "KEEP_ALIVE_S", keep_s)
    loop = asyncio.get_running_loop()
    async with serving() as site, asyncio.timeout(30 * PATIENCE):
        silent, _ = await site.connect()
        reader, writer = await site.connect()
        began = loop.time()
        while loop.time() < began + keep_s * 2.5:  # over two of its pauses, and it is never silent for one
            writer.write(ASKED)
            await answered(reader)
            quiet = loop.time()
            await asyncio.sleep(0.02)
        assert await reader.read() == b""
        assert loop.time() - quiet > keep_s * 0.9
        assert await silent.read() == b""
        writer.close()


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_server_that_ends_closes_connections_that_ask_nothing(serving: Any) -> None:
    async with serving() as site, asyncio.timeout(30 * PATIENCE):
        pairs = [await site.connect() for _ in range(3)]
        for reader, writer in pairs[1:]:
            writer.write(ASKED)
            await answered(reader)
        connections = site.server._listener._connections
        assert len(connections.open) >= 3
        connections.end()
        for reader, writer in pairs:
            assert await reader.read() == b""
            writer.close()
        while connections.open:
            await asyncio.sleep(0.01)
        late, writer = await site.connect()  # came in while it ended
        assert await late.read() == b""
        writer.close()


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_short_answer_is_one_packet_and_the_head_of_a_long_one_does_not_wait(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets: list[bytes] = []

    class Noting(hypercorn_guard.Connection):
        async def protocol_send(self, event: Any) -> None:
            if isinstance(event, RawData):
                packets.append(bytes(event.data))
            await super().protocol_send(event)

    monkeypatch.setattr(hypercorn_guard, "Connection", Noting)
    async with serving() as site, asyncio.timeout(30 * PATIENCE):
        reader, writer = await site.connect()
        for _ in range(3):
            writer.write(ASKED)
            await answered(reader)
        assert [packet[:12] for packet in packets] == [b"HTTP/1.1 200"] * 3
        packets.clear()
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.unit
def test_hypercorn_uses_them() -> None:
    from hypercorn.protocol import ws_stream

    hypercorn_guard.install()
    assert ws_stream.Handshake is Handshake
    assert ws_stream.WebsocketBuffer is UnfinishedMessage


@pytest.mark.parametrize(
    ("peer", "headers", "is_pinged"),
    [
        ("127.0.0.1", [(b"bulkhead-near", b"1")], False),
        ("::1", [(b"bulkhead-near", b"1")], False),
        ("127.0.0.1", [], True),
        ("10.1.2.3", [(b"bulkhead-near", b"1")], True),
        ("127.0.0.1", [(b"bulkhead-near", b"1"), (b"x-forwarded-for", b"10.1.2.3")], True),
        ("unix:", [(b"bulkhead-near", b"1")], True),
    ],
)
@pytest.mark.unit
@pytest.mark.asyncio
async def test_only_who_is_near_and_says_so_is_sent_no_pings(
    peer: str, headers: list[tuple[bytes, bytes]], is_pinged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinged = asyncio.Event()

    async def ping(self: object) -> None:
        pinged.set()

    monkeypatch.setattr(ws_stream.WSStream, "_send_pings", ping)
    stream = hypercorn_guard.Stream.__new__(hypercorn_guard.Stream)
    stream.client, stream.scope = (peer, 1), {"headers": headers}  # type: ignore[typeddict-item]
    await stream._send_pings()
    assert pinged.is_set() is is_pinged
