"""The event loop in which a program came to ``service.run()``, put aside while another one runs.

A session has a loop of its own, so that it is the same for programs that call ``run`` inside a loop and for
those that do not.  Meanwhile this thread must look as if no loop ran in it; afterwards the program goes on in
its own, with everything that stands around the line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class OuterLoop:
    """The loop that runs now in this thread, if any.  Look before a fork: a child is told that none runs.

    Attributes:
        loop: None where none runs.
        task: The one in which the program is.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = asyncio._get_running_loop()
        self.task: asyncio.Task[Any] | None = (
            asyncio.current_task(self.loop) if self.loop is not None else None
        )

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within, no loop runs and no task is the current one.  May be left in a forked child."""
        if self.loop is None:
            yield
            return
        if self.task is not None:
            asyncio.tasks._leave_task(self.loop, self.task)
        asyncio._set_running_loop(None)
        try:
            yield
        finally:
            asyncio._set_running_loop(self.loop)
            if self.task is not None:
                asyncio.tasks._enter_task(self.loop, self.task)

    def run(self, main: Coroutine[Any, Any, T], left: Callable[[BaseException], None] = lambda _: None) -> T:
        """Run it in a fresh loop of the same class as the program's.  Call within `aside`.

        Args:
            left: Told what ends the loop from below, such as an exit in one of its tasks, before the other
                tasks are cancelled and waited for.
        """
        with asyncio.Runner(loop_factory=self._factory()) as runner:
            try:
                result = runner.run(main)
            except BaseException as error:
                left(error)
                raise
        if self.loop is not None:
            asyncio.set_event_loop(self.loop)
        return result

    def _factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        if self.loop is None or type(self.loop) is asyncio.SelectorEventLoop:
            return None  # the policy's
        return type(self.loop)
