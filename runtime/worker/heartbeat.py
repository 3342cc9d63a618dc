"""The worker's pulse: numbers in shared memory, written by its event loop, read by the front as it likes.

Theory: a loop that turns beats each time it comes by its selector, and says since when it waits there, so
that one that waits can be told from one that hangs without either of them being woken.  A session with
nothing to do does nothing: no timer, no message, no wake-up.  A loop whose selector is not ours to ask
(uvloop's) has a timer instead, and is never taken for one that waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runtime.process.plumbing import Box


def begin(box: Box, period_s: float, also: Callable[[], None] = lambda: None) -> Callable[[], object]:
    """Beat from now on, and do something else before each sleep.  Runs in: the loop, which is to be shown.

    Args:
        period_s: How often a loop beats that cannot say when it waits; how long a long turn is remembered.

    Returns:
        What ends it.
    """
    loop = asyncio.get_running_loop()
    selector = getattr(loop, "_selector", None)
    if isinstance(loop, asyncio.SelectorEventLoop) and hasattr(selector, "__dict__"):
        return _asked(selector, box, period_s, also)
    return asyncio.create_task(beat_for_ever(box, period_s, also)).cancel


def _asked(selector: Any, box: Box, period_s: float, also: Callable[[], None]) -> Callable[[], object]:
    wait, clock, beat = selector.select, time.monotonic, box.beat
    woke = since = clock()
    longest = 0.0

    def select(timeout: float | None = None) -> Any:
        nonlocal woke, since, longest
        waits = timeout is None or timeout > 0
        if waits:
            with suppress(Exception):  # its failure must not look like a loop that stands still
                also()
        now = clock()
        turn = now - woke
        if turn > longest or now - since > period_s:
            longest, since = turn, now
        if waits:
            beat(now, longest, now)
        try:
            return wait(timeout)
        finally:
            woke = clock()
            beat(woke, longest)

    def end() -> None:
        del selector.select
        beat(clock(), longest)

    beat(woke, longest)
    selector.select = select
    return end


async def beat_for_ever(box: Box, period_s: float, also: Callable[[], None] = lambda: None) -> None:
    """Beat every `period_s` seconds, noting how late the loop was, and do something else, until cancelled."""
    due = time.monotonic()
    while True:
        now = time.monotonic()
        box.beat(now, now - due)
        with suppress(Exception):
            also()
        due = now + period_s
        await asyncio.sleep(period_s)
