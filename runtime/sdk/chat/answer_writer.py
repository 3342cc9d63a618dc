"""Writes an answer into a thread while it comes, no faster than the room takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime.sdk.chat.thread import MessageElement, Thread

INTERVAL_S = 0.04
CHARS_PER_S = 200_000


class AnswerWriter:
    """One answer in the making.

    Each update carries the whole text (it is an attribute), so the pause between two grows with the length,
    and the next one waits until the room has the last.

    Args:
        thread: None for an answer that goes into no document.
        flush: Returns once the room has what was written.
        written_by: Participant id of the agent.
        interval_s: The shortest pause between two updates.
    """

    def __init__(
        self,
        thread: Thread | None,
        *,
        author_name: str,
        turn_id: str,
        flush: Callable[[], Awaitable[None]],
        written_by: str = "",
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.text = ""
        self._thread = thread
        self._author_name = author_name
        self._turn_id = turn_id
        self._flush = flush
        self._written_by = written_by
        self._interval_s = interval_s
        self._element: MessageElement | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, delta: str) -> None:
        """More of the answer.  Returns at once; the document follows."""
        self.text += delta
        if self._thread is None:
            return
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(self._thread), name="chat:write")

    def replace(self, text: str) -> None:
        """The answer is another after all."""
        self.text = ""
        self.add(text)

    async def finish(self) -> None:
        """Return once the whole answer is in the room.

        Raises:
            RoomError: The room did not take it; the answer is then in this object alone.
        """
        await self._end("done")

    async def leave(self, how: str) -> None:
        """Leave the answer as it is, and say in the thread why: ``cancelled``, or ``cut`` off.

        Raises:
            RoomError: The room did not take it.
        """
        await self._end(how)

    async def _end(self, how: str) -> None:
        await self.stop()
        if self._thread is not None and self.text.strip():
            self._write(self._thread).end(how)
            await self._flush()

    async def stop(self) -> None:
        """Write nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _follow(self, thread: Thread) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.text.strip():
                self._write(thread)
                await self._flush()
            await asyncio.sleep(max(self._interval_s, len(self.text) / CHARS_PER_S))

    def _write(self, thread: Thread) -> MessageElement:
        if self._element is None:
            self._element = thread.append_message(
                author_name=self._author_name,
                text=self.text,
                role="agent",
                turn_id=self._turn_id,
                written_by=self._written_by,
            )
        else:
            self._element.set_text(self.text)
        return self._element
