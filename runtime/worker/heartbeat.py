"""The worker's pulse: a number in shared memory, written by its event loop, read by the front when it likes.

No message, no wake-up of the front; one timer of the worker's loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from runtime.process.plumbing import Box


async def beat_for_ever(box: Box, period_s: float, also: Callable[[], None] = lambda: None) -> None:
    """Beat every `period_s` seconds, noting how late the loop was, and do something else, until cancelled."""
    due = time.monotonic()
    while True:
        now = time.monotonic()
        box.beat(now, now - due)
        with suppress(Exception):  # its failure must not look like a loop that stands still
            also()
        due = now + period_s
        await asyncio.sleep(period_s)
