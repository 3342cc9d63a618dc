"""What a session's connection carries is noted, whoever's client carries it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.process.plumbing import Box
from runtime.wire.room import Message, encode
from runtime.worker.activity import ActiveTransport, Activity, note_packets

pytestmark = pytest.mark.unit

CHAT = [bytearray(packet) for packet in encode(Message(1, "messaging.send", {"type": "chat"}))]


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box.create()
    yield made
    made.close()


class Connection:
    """A transport of ours and a protocol of an SDK's in one."""

    def __init__(self) -> None:
        self.coming = [bytes(packet) for packet in CHAT]
        self.carried: list[Any] = []

    async def receive(self) -> bytes | None:
        return self.coming.pop(0) if self.coming else None

    async def send(self, packet: bytes) -> None:
        self.carried.append(packet)

    async def close(self) -> None: ...

    async def send_packet(self, data: bytes) -> None:
        self.carried.append(data)

    def receive_packet(self, data: bytes) -> None:
        self.carried.append(data)


def seen(box: Box) -> list[tuple[str, str]]:
    return [(one.direction, one.kind) for one in box.messages.last()]


@pytest.mark.asyncio
async def test_packets_of_our_own_connection_are_noted(box: Box) -> None:
    transport = ActiveTransport(Connection(), Activity(box))
    assert box.active_at() is None
    while await transport.receive() is not None:
        pass
    for packet in CHAT:
        await transport.send(bytes(packet))
    assert seen(box) == [("in", "messaging.send chat"), ("out", "messaging.send chat")]
    assert abs((box.active_at() or 0.0) - time.monotonic()) < 60
    assert box.recording.messages() == []


@pytest.mark.asyncio
async def test_packets_of_an_sdks_connection_are_noted_and_passed_on(box: Box) -> None:
    protocol: Any = Connection()
    note_packets(protocol, Activity(box, record=True))
    protocol.receive_packet(CHAT[0])
    protocol.receive_packet(data=CHAT[1])
    for packet in CHAT:
        await protocol.send_packet(packet)
    assert protocol.carried == [*CHAT, *CHAT]
    assert seen(box) == [("in", "messaging.send chat"), ("out", "messaging.send chat")]
    assert [message.header for message in box.recording.messages()] == [{"type": "chat"}]


def test_a_connection_that_cannot_be_noted_is_never_idle(box: Box) -> None:
    note_packets(object(), Activity(box))
    assert (box.active_at() or 0.0) > time.monotonic() + 1e6
    note_packets(object(), Activity())  # nobody watches
