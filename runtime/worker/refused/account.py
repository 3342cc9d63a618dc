"""What this process was refused: the first of each kind, how many of each rule, and the latest."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from runtime.confinement.refusal import Refusal

MOST_KINDS: Final = 20
"""So many different ones are told of a session; the others are counted."""
_REMEMBERED: Final = 32
_MOST_CHARS: Final = 500
_SHORTLY_S: Final = 2.0


class Account:
    """Runs in: whatever thread makes a call.

    Attributes:
        told: Called that there is something to `take`; in whatever thread made the call.
    """

    def __init__(self) -> None:
        self.told: Callable[[], None] = lambda: None
        self._pid = os.getpid()
        self._latest: deque[tuple[int, float, Refusal]] = deque(maxlen=_REMEMBERED)
        self._kinds: set[tuple[str, str]] = set()
        self._new: list[Refusal] = []
        self._counts: dict[str, int] = {}
        self._is_told = False

    def begin(self) -> None:
        """This process is the one that is told of from now on: it was forked from one that was made ready."""
        self._pid = os.getpid()
        if self._counts:
            self._latest.clear()
            self._kinds, self._new, self._counts = set(), [], {}
        self._is_told = False

    def note(self, rule: str, what: str) -> None:
        """It is about to be refused."""
        if os.getpid() != self._pid:
            return  # a child that the agent forked: the pipe is not its own
        refusal = self.remember(rule, what)
        self._counts[rule] = self._counts.get(rule, 0) + 1
        if refusal.kind not in self._kinds and len(self._kinds) < MOST_KINDS:
            self._kinds.add(refusal.kind)
            self._new.append(refusal)
        if not self._is_told:
            self._is_told = True
            self.told()

    def remember(self, rule: str, what: str) -> Refusal:
        """It may be what an exception comes of; and that is all."""
        refusal = Refusal(rule, what[:_MOST_CHARS])
        self._latest.append((threading.get_ident(), time.monotonic(), refusal))
        return refusal

    def take(self) -> tuple[list[Refusal], dict[str, int]]:
        """The first of each kind since the last call, and how many there were of each rule altogether."""
        self._is_told = False
        new, self._new = self._new, []
        return new, dict(self._counts)

    def latest(self) -> Iterator[Refusal]:
        """What was refused, the last first, however long ago."""
        return (refusal for _, _, refusal in reversed(tuple(self._latest)))

    def lately(self) -> Refusal | None:
        """What was refused a moment ago: in this thread, or else in any."""
        now, me = time.monotonic(), threading.get_ident()
        found = [(thread, one) for thread, at, one in reversed(tuple(self._latest)) if now - at <= _SHORTLY_S]
        return next((one for thread, one in found if thread == me), found[0][1] if found else None)
