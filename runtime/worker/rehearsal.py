"""What a parked worker does while it waits: the first steps of a session, with nothing in them.

A fork shares every page with its zygote, and the first write to each costs a copy (here some 5 µs; a start
makes hundreds, most of them for reference counts).  Rehearsed, the start itself finds its pages copied.
"""

from __future__ import annotations

import asyncio
import contextlib

from runtime.errors import RuntimeServiceError
from runtime.sdk.client import RoomClient
from runtime.wire import control
from runtime.worker.bundle import LoadedBundle
from runtime.worker.relay import RelayTransport
from runtime.worker.session import Session


class _Nobody:
    """Agent to rehearse with; none of the bundle's code runs before its session."""

    async def start(self, *, room: object) -> None: ...

    async def stop(self) -> None: ...


async def rehearse(loaded: LoadedBundle) -> None:
    """Prepare a session that is never sent anywhere, and enter a room that is closed at once."""
    start = control.Start("", 0, "/", "", "", relay=True, env={"BULKHEAD_SESSION": ""})
    control.decode(control.to_worker, control.encode(start))
    session = Session(start, loaded, lambda _: None, _at_once)
    await session.rehearse(_Nobody)
    closed = RelayTransport(lambda _: None, _at_once)
    entering = asyncio.create_task(_enter(closed))
    await asyncio.sleep(0)
    closed.ended()
    await asyncio.wait([entering])


async def _enter(transport: RelayTransport) -> None:
    with contextlib.suppress(RuntimeServiceError):
        async with RoomClient(transport=transport, connect_timeout_s=1.0):
            pass


async def _at_once() -> None:
    pass
