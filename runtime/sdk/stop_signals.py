"""SIGTERM, SIGINT and SIGABRT as an event of the loop."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGABRT)


class StopSignals:
    """While entered, the first signal sets ``asked`` and a second cancels the task that entered.

    Only in the main thread; elsewhere (and where the loop has no signal handlers) nothing is caught.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.forced: signal.Signals | None = None
        self._task: asyncio.Task[Any] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            before = signal.getsignal(number)
            try:
                # The loop's handler wakes the loop; one of the signal module would wait for its next event.
                loop.add_signal_handler(number, self._received, number)
            except (NotImplementedError, RuntimeError, ValueError):
                return self
            self._before[number] = before
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number, before in self._before.items():
            loop.remove_signal_handler(number)
            if before is not None:
                signal.signal(number, before)

    def _received(self, number: signal.Signals) -> None:
        if self.asked.is_set() and self._task is not None:
            self.forced = number
            self._task.cancel()
        self.asked.set()
