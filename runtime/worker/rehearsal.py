"""Sessions with nothing in them, before there is one, so that those to come find their pages ready.

A fork shares every page with its zygote, and the first write to each costs a copy (here some 5 µs, and 4 KiB
for as long as the session lives; a start makes hundreds).  Two things are done about it:

- The zygote lives through whole sessions before it forks.  What the interpreter would do in each session for
  the first time it has done by then, in pages that all of them share: specialise its byte code, look up
  attributes, import what is imported late, grow what grows.
- A parked worker takes the first steps of a session while it waits: it has its pages before it is called.

None of the bundle's code runs in either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final

from msgspec.structs import replace

from runtime.errors import RuntimeServiceError
from runtime.process import child, zygote
from runtime.process.fork import packing
from runtime.process.plumbing import WorkerEnds
from runtime.sdk.endpoint import Endpoint
from runtime.sdk.room.client import RoomClient
from runtime.wire import control
from runtime.worker import stage
from runtime.worker.bundle import LoadedBundle
from runtime.worker.by_pipe.relay import RelayTransport
from runtime.worker.program.outer_loop import OuterLoop
from runtime.worker.refused import causes
from runtime.worker.session import Session

ROUNDS: Final = 12
"""The interpreter specialises a function that ran eight times."""

_VARIABLES: Final = ("BULKHEAD_SESSION", "MESHAGENT_ROOM", "MESHAGENT_TOKEN", "MESHAGENT_SESSION_ID")

RunAny = Callable[[WorkerEnds, LoadedBundle], Coroutine[Any, Any, int]]


class _Nobody:
    """Agent to rehearse with; none of the bundle's code runs before its session."""

    async def start(self, *, room: object) -> None: ...

    async def stop(self) -> None: ...


def rehearse_whole(loaded: LoadedBundle, run: RunAny, outer: OuterLoop) -> None:
    """Live through sessions of an agent that does nothing.  Runs in: the zygote, before it forks.

    Nothing of it stays but what makes the next one faster: no descriptor, no thread, no variable.

    Raises:
        TimeoutError: It takes too long.
    """
    env = dict(os.environ)
    empty = replace(loaded, endpoints={"/": Endpoint("/", "", _Nobody)})
    try:
        with child.signals_kept():
            with packing.noted_code() as codes:
                child.rehearse(1)
                _whole(run, empty, outer)
            packing.fill_gaps()
            packing.pack(codes | zygote.code_of_forks() | causes.code())
            causes.install()
            child.rehearse(ROUNDS)
            for _ in range(ROUNDS):
                _whole(run, empty, outer)
    finally:
        for name in os.environ.keys() - env.keys():
            del os.environ[name]
        os.environ.update((name, value) for name, value in env.items() if os.environ.get(name) != value)


def _whole(run: RunAny, empty: LoadedBundle, outer: OuterLoop) -> None:
    """One session from its first message to its last, in an event loop of its own."""

    async def session() -> None:
        env = dict.fromkeys(_VARIABLES, "")
        start = control.Start("", 0, "/", "", "", token="-", env=env, relay=True, dial=True)
        async with asyncio.timeout(stage.LONGEST_S):
            await stage.Front(start).call(lambda ends: run(ends, empty))

    outer.run(session())


async def rehearse(loaded: LoadedBundle) -> None:
    """Prepare a session that is never sent anywhere, and enter a room that is closed at once."""
    start = control.Start("", 0, "/", "", "", relay=True, env=dict.fromkeys(_VARIABLES, ""))
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
