"""Faults on purpose: what ``bulkhead chaos`` asks of a session to show that nobody else is hurt.

A worker commits one only when its front asks, and a front asks only where `server.chaos` is on.  Each
stands for a mistake of an agent, so its frames carry a file name of their own: reports then show its line
as they show an agent's.
"""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FunctionType
from typing import Final

from runtime.wire import control
from runtime.worker.joined import Joined
from runtime.worker.tasks import OURS

FILE: Final = "<chaos>"
ALLOC_BYTES_PER_S: Final = 200 << 20
ALLOC_MAX_BYTES: Final = 8 << 30
FLOOD_S: Final = 3.0
BOMB_MAX: Final = 1000
"""Processes after which a fork bomb stops growing by itself: the fault is real, and so is the machine."""

_kept: list[object] = []


def _as_agents_code(fault: Callable[[], None]) -> Callable[[], None]:
    assert isinstance(fault, FunctionType)
    fault.__code__ = fault.__code__.replace(co_filename=FILE)
    return fault


@_as_agents_code
def raises() -> None:
    raise RuntimeError("a fault on purpose")


@_as_agents_code
def exits() -> None:
    os._exit(23)


@_as_agents_code
def segfaults() -> None:
    ctypes.string_at(0)


@_as_agents_code
def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@_as_agents_code
def spins() -> None:
    while True:
        pass


@_as_agents_code
def sleeps() -> None:
    while True:
        time.sleep(3600)


@_as_agents_code
def is_stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@_as_agents_code
def allocates() -> None:
    step_bytes, began, count = 4 << 20, time.monotonic(), 0
    while count * step_bytes < ALLOC_MAX_BYTES:
        _kept.append(b"\xff" * step_bytes)  # written to, so that it is memory and not a promise of it
        count += 1
        time.sleep(max(0.0, began + count * step_bytes / ALLOC_BYTES_PER_S - time.monotonic()))


@_as_agents_code
def forks() -> None:
    count = mmap.mmap(-1, 8)
    while True:  # each child of it does the same
        made = int.from_bytes(count[:8], "little") + 1
        if made > BOMB_MAX:
            time.sleep(3600)
        count[:8] = made.to_bytes(8, "little")
        try:
            os.fork()
        except OSError:
            time.sleep(0.1)


@_as_agents_code
def floods() -> None:
    until, line = time.monotonic() + FLOOD_S, "a line of a flood of lines " * 8
    while time.monotonic() < until:
        print(line)


@_as_agents_code
def opens() -> None:
    while True:
        _kept.append(open(os.devnull))  # noqa: SIM115 - leaking is the point


@_as_agents_code
def leaves_children() -> None:
    # In a group and a session of its own, as a daemon does; then the agent is gone without a word.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
    os._exit(24)


FAULTS: Final = {
    "raise": raises,
    "exit": exits,
    "segfault": segfaults,
    "kill": is_killed,
    "busy": spins,
    "sleep": sleeps,
    "stop": is_stopped,
    "alloc": allocates,
    "forkbomb": forks,
    "flood": floods,
    "files": opens,
    "orphan": leaves_children,
}


def commit(asked: control.Fault, failed: Callable[[BaseException], None], joined: Joined | None) -> None:
    """Misbehave in the session's own process and event loop, in the next turn of the loop.

    Args:
        failed: Takes what the fault raises, as if a background task of the agent had raised it.
        joined: The session's room.
    """
    fault = FAULTS.get(asked.kind)
    loop = asyncio.get_running_loop()
    if fault is None:
        from runtime.worker.chaos import hostile

        if asked.kind in hostile.ATTACKS:
            attempt = hostile.attempt(asked.kind, asked.at, joined.client if joined is not None else None)
            _kept.append(loop.create_task(attempt, name=f"{OURS}attack"))
        return
    if asked.kind == "flood":
        # In a thread: a flood is talk, and does not stop the session from answering.
        loop.run_in_executor(None, fault)
        return
    loop.call_soon(_run, fault, failed)


def _run(fault: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
    try:
        fault()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was asked for
        failed(error)
