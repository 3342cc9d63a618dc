"""Note that a message came or went, where the front can see it without being told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from runtime.process.plumbing import Box
from runtime.sdk.client import ClientProtocol, Transport

_FOR_EVER_S: Final = 1e9


class Active(Protocol):
    """Called at each message; with infinity by one that cannot tell when there are any."""

    def __call__(self, at: float | None = None) -> None: ...


def noting_in(box: Box) -> Active:
    """Note it in the box."""

    def active(at: float | None = None) -> None:
        now = time.monotonic()
        box.active(now if at is None else now + min(at, _FOR_EVER_S))

    return active


def nowhere(at: float | None = None) -> None:
    """For a session nobody watches."""


class ActiveTransport:
    """A room connection each of whose packets is noted."""

    def __init__(self, inner: Transport, active: Active) -> None:
        self._inner = inner
        self._active = active

    async def receive(self) -> bytes | None:
        packet = await self._inner.receive()
        self._active()
        return packet

    async def send(self, packet: bytes) -> None:
        self._active()
        await self._inner.send(packet)

    async def close(self) -> None:
        await self._inner.close()


class ActiveProtocol:
    """Opens such a connection."""

    def __init__(self, inner: ClientProtocol, active: Active) -> None:
        self._inner = inner
        self._active = active

    async def open(self, *, timeout_s: float) -> Transport:
        return ActiveTransport(await self._inner.open(timeout_s=timeout_s), self._active)


def note_packets(protocol: Any, active: Active) -> None:
    """Have an installed SDK's own connection noted: what it sends and receives in packets.

    A release whose connection has other methods counts as active for ever, so that it is never ended as idle.
    """
    wrapped = 0
    for name in ("send_packet", "receive_packet"):
        method = getattr(protocol, name, None)
        if callable(method):
            setattr(protocol, name, _noted(method, active))
            wrapped += 1
    if wrapped < 2:
        active(float("inf"))


def _noted(method: Callable[..., Any], active: Active) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        active()
        return method(*args, **kwargs)

    return call
