"""One answer of an agent on its way: what the thread shows of it, and what the agent's messages say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from runtime.errors import RoomError, RoomLost
from runtime.sdk.chat.thread import Thread

SETTLE_S = 0.2
QUIET_S = 1.0
"""An answer of an agent that never says when it is done is over after this long without a change."""

TAIL = 16


class Turn:
    """What was heard of one answer, and the pieces that make it up.

    Agents differ in how they say that they are done.  Those of MeshAgent's SDK up to 0.24, and our own, send
    ``thinking``.  Later ones send each text once it is complete, and say no more; some show an attribute
    ``thread.status.<path>`` while they work.

    Attributes:
        is_failed: The agent said that it failed, in the place of an answer or below one.
        is_cut: The agent was stopped in its middle.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.known: set[str] = set()
        self.changed = asyncio.Event()
        self.is_cancelled = self.is_failed = self.is_cut = False
        self._lost = ""
        self._thinking = self._works = False
        self._over = False
        self._final: str | None = None

    def lose(self, reason: str) -> None:
        self._lost = reason
        self.changed.set()

    def hear(self, type: str, message: dict[str, Any]) -> None:
        text, turn_id = message.get("text"), message.get("turn_id")
        if turn_id is not None and turn_id != self.id:
            return  # somebody else's turn in the same thread
        if type == "chat" and isinstance(text, str):
            self._final = text
            self.is_failed = message.get("failed") is True
        elif type == "thinking" and message.get("thinking") is True:
            self._thinking = True
        elif type == "thinking" and (self._thinking or turn_id is not None):
            self._over = True
            self.is_cut = message.get("ended") == "cut"
        self.changed.set()

    def see(self, status: Any) -> None:
        """The agent's attributes changed; `status` is that of this thread."""
        self._works = bool(status)  # it comes and goes within an answer
        self.changed.set()

    async def pieces(self, thread: Thread, agent: str, timeout_s: float) -> AsyncIterator[str]:
        shown = ""
        settled = False
        while True:
            over = self._over
            written = [
                message.text
                for message in thread.tail(TAIL)
                if message.id not in self.known
                and message.author_name == agent
                and message.turn_id in ("", self.id)
            ]
            text = "\n\n".join(written)
            if over and self._final is not None and len(self._final) > len(text):
                text = self._final  # the message has overtaken the document
            piece = _added(shown, text)
            if piece:
                shown = text
                yield piece
            if over and (settled or self._final is not None):
                return
            if over:
                # Messages overtake the document: without the final text, give it a moment to arrive.
                settled = True
                self.changed.clear()
                await within(self.changed, SETTLE_S)
                continue
            is_answered = self._final is not None and _ends_in_words(thread)
            is_idle = not (self._thinking or self._works)
            may_be_over = is_idle and (is_answered or self.is_cancelled)
            if self._lost and not may_be_over:
                raise RoomLost(self._lost, cure="Say it again once you are both there.")
            if not self._lost and await within(self.changed, QUIET_S if may_be_over else timeout_s):
                self.changed.clear()
            elif may_be_over:
                self._over = True
            else:
                raise RoomError(f"{agent} has answered nothing for {timeout_s:g} s")


def _ends_in_words(thread: Thread) -> bool:
    """Whether the last entry is somebody's message, and not a tool that the agent calls."""
    return bool(thread.tail(1))


async def within(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether the event came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _added(shown: str, text: str) -> str:
    """What to print after `shown` so that the reader has `text`."""
    if text.startswith(shown):
        return text[len(shown) :]
    return f"\n{text}" if text else ""
