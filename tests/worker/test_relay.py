"""The worker's end of a relayed room connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import RoomLost
from runtime.wire import control
from runtime.worker.by_pipe.relay import RelayTransport

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def _nothing() -> None: ...


async def test_packets_come_in_order_and_then_the_end() -> None:
    relay = RelayTransport(lambda _: None, _nothing)
    for packet in (b"1", b"2"):
        relay.arrived(packet)
    relay.ended()
    assert [await relay.receive() for _ in range(3)] == [b"1", b"2", None]


async def test_a_waiting_reader_is_woken() -> None:
    relay = RelayTransport(lambda _: None, _nothing)
    reader = asyncio.create_task(relay.receive())
    await asyncio.sleep(0)
    relay.arrived(b"x")
    assert await reader == b"x"


async def test_what_is_sent_goes_up_the_pipe_until_either_end_closes() -> None:
    sent: list[Any] = []
    relay = RelayTransport(sent.append, _nothing)
    await relay.send(b"up")
    await relay.close()
    await relay.close()
    assert sent == [control.Packet(b"up"), control.RelayClosed()]
    with pytest.raises(RoomLost):
        await relay.send(b"late")


async def test_an_agent_that_takes_no_packets_leaves_the_room() -> None:
    relay = RelayTransport(lambda _: None, _nothing)
    for _ in range(65):
        relay.arrived(b"x" * (1 << 20))
    relay.arrived(b"not kept")
    packets = [await relay.receive() for _ in range(66)]
    assert packets[-1] is None
