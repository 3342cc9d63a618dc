"""A channel between two ends of a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import ChannelClosed, LocalProtocolError, ProtocolError
from runtime.process.channel import MESSAGES_PER_TURN, Channel
from runtime.wire import control
from runtime.wire.frames import encode_frame
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class End:
    """One end, and what it heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.over: asyncio.Future[ProtocolError | None] = asyncio.get_running_loop().create_future()


@pytest_asyncio.fixture
async def front() -> AsyncIterator[tuple[Channel[control.FromWorker], End, socket.socket]]:
    """The front's end of a pipe, and the bare socket a worker would have."""
    ours, theirs = socket.socketpair()
    end = End()
    channel = await Channel.open(
        ours, control.from_worker, end.heard.put_nowait, end.over.set_result, max_frame_bytes=1 << 20
    )
    theirs.setblocking(False)
    yield channel, end, theirs
    channel.abort()
    theirs.close()
    await asyncio.sleep(0)


async def test_messages_arrive_in_order(front: Any) -> None:
    channel, end, theirs = front
    other = End()
    back = await Channel.open(
        theirs, control.to_worker, other.heard.put_nowait, other.over.set_result, max_frame_bytes=1 << 20
    )
    for pid in range(3):
        back.send(control.Hello(pid))
    channel.send(control.Stop("stopped", 1.0))
    async with asyncio.timeout(5 * PATIENCE):
        assert [await end.heard.get() for _ in range(3)] == [control.Hello(pid) for pid in range(3)]
        assert await other.heard.get() == control.Stop("stopped", 1.0)
        back.close()
        assert await end.over is None
    with pytest.raises(ChannelClosed):
        channel.send(control.RelayClosed())


async def test_junk_ends_the_channel_with_its_error(front: Any) -> None:
    _, end, theirs = front
    await asyncio.get_running_loop().sock_sendall(theirs, b"\xff\xff\xff\xff")
    async with asyncio.timeout(5 * PATIENCE):
        error = await end.over
    assert error is not None
    assert "limit" in str(error)


async def test_what_was_said_before_junk_is_heard(front: Any) -> None:
    channel, end, theirs = front
    said = [control.Hello(pid) for pid in range(20 * MESSAGES_PER_TURN)]
    whole = b"".join(encode_frame(control.encode(one), max_frame_bytes=1 << 20) for one in said)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(theirs, whole)
    await loop.sock_sendall(theirs, b"\xff\xff\xff\xff")
    await channel.read_rest()
    async with asyncio.timeout(5 * PATIENCE):
        assert await end.over is not None
    assert [end.heard.get_nowait() for _ in said] == said


async def test_an_end_is_told_though_the_last_message_could_not_be_heard() -> None:
    ours, theirs = socket.socketpair()
    over: asyncio.Future[ProtocolError | None] = asyncio.get_running_loop().create_future()

    def hear(_: Any) -> None:
        raise RuntimeError("not now")

    channel = await Channel.open(ours, control.from_worker, hear, over.set_result, max_frame_bytes=1 << 20)
    channel.pause_reading()
    channel._unheard.append(control.encode(control.Hello(1)))
    with pytest.raises(RuntimeError, match="not now"):
        channel.connection_lost(None)
    assert channel.ended
    assert over.done()
    channel.abort()
    theirs.close()
    await asyncio.sleep(0)


async def test_one_that_does_not_read_is_cut_off_before_it_costs_memory(front: Any) -> None:
    channel, end, _ = front
    channel._max_buffer_bytes = 4 << 20
    packet = control.Packet(b"x" * (1 << 19))
    with pytest.raises(ChannelClosed, match="does not read"):
        for _ in range(100):
            channel.send(packet)
    async with asyncio.timeout(5 * PATIENCE):
        await end.over


async def test_drain_waits_for_a_reader(front: Any) -> None:
    channel, _, theirs = front
    channel.send(control.Packet(b"x" * (1 << 19)))
    channel.send(control.Packet(b"x" * (1 << 19)))
    waiting = asyncio.create_task(channel.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5 * PATIENCE):
        while not waiting.done():
            await loop.sock_recv(theirs, 1 << 16)


async def test_a_message_too_large_is_our_own_error(front: Any) -> None:
    channel, _, _ = front
    with pytest.raises(LocalProtocolError):
        channel.send(control.Packet(b"x" * (2 << 20)))


async def test_what_was_said_before_a_write_failed_is_heard(front: Any) -> None:
    channel, end, theirs = front
    theirs.send(encode_frame(control.encode(control.Pong(3)), max_frame_bytes=1 << 20))
    theirs.close()
    channel.send(control.Ping(1))  # fails, before the loop came to read
    async with asyncio.timeout(5 * PATIENCE):
        assert await end.over is None
    assert end.heard.get_nowait() == control.Pong(3)


async def test_the_rest_is_read_though_reading_is_paused_and_somebody_writes_on(front: Any) -> None:
    channel, end, theirs = front
    channel.pause_reading()
    frame = encode_frame(control.encode(control.Pong(1)), max_frame_bytes=1 << 20)
    theirs.send(frame * 100)
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: theirs.send(frame))  # by whom it was inherited: nobody waits for that
    async with asyncio.timeout(5 * PATIENCE):
        await channel.read_rest()
    assert end.heard.qsize() == 100


async def test_a_flood_of_small_messages_leaves_the_loop_to_others(front: Any) -> None:
    """A read has tens of thousands of them; at once, they would hold the loop for a third of a second."""
    _, end, theirs = front
    flood = b"".join(
        encode_frame(control.encode(control.Hello(pid)), max_frame_bytes=100) for pid in range(5000)
    )
    sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, flood))
    most = before = 0
    async with asyncio.timeout(20 * PATIENCE):
        while end.heard.qsize() < 5000:
            most, before = max(most, end.heard.qsize() - before), end.heard.qsize()
            await asyncio.sleep(0)
    await sending
    assert 0 < most <= 2 * MESSAGES_PER_TURN
    assert [end.heard.get_nowait() for _ in range(5000)] == [control.Hello(pid) for pid in range(5000)]
    theirs.send(flood[: len(flood) // 2])
    theirs.close()
    async with asyncio.timeout(20 * PATIENCE):
        await end.over
    assert end.heard.qsize() > 1000
