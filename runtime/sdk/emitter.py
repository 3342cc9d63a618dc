"""Named events with any number of listeners, which may be plain functions or coroutines."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

Listener = Callable[..., Any]

_log = logging.getLogger("room")


class Emitter:
    """``on``, ``off`` and ``emit``.

    A listener that fails is logged and does not keep the others from hearing the event.  A listener
    that returns a coroutine gets a task of its own: the loop that reads the room never waits for it,
    so it may send requests itself.
    """

    def __init__(self, *, concurrent_limit: int = 1024) -> None:
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._concurrent_limit = concurrent_limit
        self.dropped_count = 0

    def on(self, event_name: str, func: Listener) -> None:
        """Call ``func`` for each event of that name until ``off``."""
        self._listeners[event_name].append(func)

    def off(self, event_name: str, func: Listener) -> None:
        """Stop calling ``func``; a function that was never added is ignored."""
        listeners = self._listeners.get(event_name, [])
        if func in listeners:
            listeners.remove(func)

    def emit(self, event_name: str, /, **payload: Any) -> None:
        """Call every listener of the event with the payload as keyword arguments."""
        for listener in list(self._listeners.get(event_name, ())):
            self.call(listener, event_name, **payload)

    def call(self, listener: Listener, event_name: str, /, *args: Any, **payload: Any) -> None:
        """Call one listener the same way ``emit`` does."""
        try:
            outcome = listener(*args, **payload)
        except Exception:  # noqa: BLE001 - the edge between the room and somebody's code
            _log.exception("a listener of %r failed", event_name)
            return
        if inspect.iscoroutine(outcome):
            self._start(outcome, event_name)

    def _start(self, coroutine: Coroutine[Any, Any, Any], event_name: str) -> None:
        if len(self._tasks) >= self._concurrent_limit:
            coroutine.close()
            self.dropped_count += 1
            _log.warning("dropped %r: %d listeners are still busy", event_name, len(self._tasks))
            return
        task = asyncio.create_task(coroutine, name=f"room:{event_name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)

    async def cancel_all(self) -> None:
        """Cancel what is still running and wait for it; the task that calls this is spared."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
