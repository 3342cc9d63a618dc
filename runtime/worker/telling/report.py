"""Tell the front what the session counted: soon after a change, and once more before the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from runtime.errors import ChannelClosed
from runtime.sdk.meter import Meter
from runtime.wire import control

TELL_S: Final = 1.0
"""Seconds within which changes are told together; an idle session tells nothing and has no timer."""


class Reporter:
    """Between the meter and the pipe.  Runs in: the worker's event loop.

    Args:
        send: Hands a message to the front; raises ChannelClosed when the front is gone.
    """

    def __init__(self, meter: Meter, send: Callable[[Any], None]) -> None:
        self._meter, self._send = meter, send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._told: dict[str, int] = {}
        meter.reset()
        meter.changed = self._changed

    def tell(self) -> None:
        """Tell what was not told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts = self._meter.counts()
        if counts != self._told:
            self._told = counts
            try:
                self._send(control.StatusNow(dict(counts)))
            except ChannelClosed:
                pass  # the front is gone, and with it whoever wanted to know

    def close(self) -> None:
        """Tell the rest and stop listening."""
        self._meter.changed = None
        self.tell()

    def _changed(self) -> None:
        if self._timer is None:
            self._loop.call_soon_threadsafe(self._later)

    def _later(self) -> None:
        if self._timer is None and self._meter.changed is not None:
            self._timer = self._loop.call_later(TELL_S, self.tell)
