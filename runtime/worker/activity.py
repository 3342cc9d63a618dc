"""Note that a message came or went, and of what kind, where the front can see it without being told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from runtime.process.box.message_ring import IN, OUT
from runtime.process.plumbing import Box
from runtime.sdk.room.client import ClientProtocol, Transport

_FOR_EVER_S: Final = 1e9


class Activity:
    """Where a session's messages are noted.

    Args:
        box: None for a session that nobody watches.
        record: Keep what is in the messages, too.
    """

    def __init__(self, box: Box | None = None, *, record: bool = False) -> None:
        self._box = box
        self._record = record

    def came(self, packet: bytes | bytearray) -> None:
        """A packet of the room came."""
        if self._box is not None:
            self._box.active(time.monotonic())
            self._box.messages.note(IN, packet)
            if self._record:
                self._box.recording.add(packet)

    def went(self, packet: bytes | bytearray) -> None:
        """A packet goes to the room."""
        if self._box is not None:
            self._box.active(time.monotonic())
            self._box.messages.note(OUT, packet)

    def for_ever(self) -> None:
        """Nobody can tell when there are messages: never take it for idle."""
        if self._box is not None:
            self._box.active(time.monotonic() + _FOR_EVER_S)


class ActiveTransport:
    """A room connection each of whose packets is noted."""

    def __init__(self, inner: Transport, activity: Activity) -> None:
        self._inner = inner
        self._activity = activity

    async def receive(self) -> bytes | None:
        packet = await self._inner.receive()
        if packet is not None:
            self._activity.came(packet)
        return packet

    async def send(self, packet: bytes) -> None:
        self._activity.went(packet)
        await self._inner.send(packet)

    async def close(self) -> None:
        await self._inner.close()


class ActiveProtocol:
    """Opens such a connection; agents read its address and its token."""

    def __init__(self, inner: ClientProtocol, activity: Activity) -> None:
        self._inner = inner
        self._activity = activity
        self.url, self.token = str(getattr(inner, "url", "")), str(getattr(inner, "token", ""))

    async def open(self, *, timeout_s: float) -> Transport:
        return ActiveTransport(await self._inner.open(timeout_s=timeout_s), self._activity)


def note_packets(protocol: Any, activity: Activity) -> None:
    """Have an installed SDK's own connection noted: what it sends and receives in packets.

    A release whose connection has other methods counts as active for ever, so that it is never ended as idle.
    """
    wrapped = 0
    for name, noted in (("send_packet", activity.went), ("receive_packet", activity.came)):
        method = getattr(protocol, name, None)
        if callable(method):
            setattr(protocol, name, _noted(method, noted))
            wrapped += 1
    if wrapped < 2:
        activity.for_ever()


def _noted(method: Callable[..., Any], noted: Callable[[bytes | bytearray], None]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        packet = args[0] if args else next(iter(kwargs.values()), b"")
        if isinstance(packet, bytes | bytearray):
            noted(packet)
        return method(*args, **kwargs)

    return call
