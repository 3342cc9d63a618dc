"""How and when sessions ended, and what else happened to them, as the server's events tell it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.cli.terminal import note

if TYPE_CHECKING:
    from runtime.cli.api import Api


class End(msgspec.Struct):
    """A session's end as its events told it; one that is started again ended, too.

    Attributes:
        at: Monotonic seconds at which we heard of it.
        where: ``file:line in function``; empty when no line had a part in it.
    """

    at: float
    reason: str
    message: str
    where: str = ""


class Exits:
    """How and when sessions ended, as the server's events tell it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ends: dict[str, End] = {}
        self._where: dict[str, str] = {}
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)

    def follow(self) -> None:
        """Read events from now on, in a thread that ends with this process."""
        self._thread.start()

    @property
    def is_following(self) -> bool:
        """The server still tells."""
        return self._thread.is_alive()

    def wait(self, session: str, timeout_s: float) -> End | None:
        """A session's end; None when it did not end within this time."""
        with self._news:
            self._news.wait_for(lambda: session in self._ends, timeout_s)
            return self._ends.get(session)

    def where(self, session: str) -> str:
        """The line of its crash report; empty when there is none (yet)."""
        with self._news:
            return self._where.get(session, "")

    def _read(self) -> None:
        from runtime.cli.failure import CommandFailed

        with _ignored(CommandFailed):
            for event in self._api.events("/events"):
                if isinstance(event.data, dict):
                    with self._news:
                        self._take(event.name, event.data)
                        self._news.notify_all()

    def _take(self, name: str, data: dict[str, Any]) -> None:
        session = str(data.get("session", ""))
        if name in ("session.exited", "session.restarting"):
            exit = data.get("exit") or {}
            end = End(time.monotonic(), str(exit.get("reason", "")), str(exit.get("message", "")))
            self._ends.setdefault(session, end)
        elif name == "session.crashed":
            self._where.setdefault(session, str(data.get("where") or ""))


@contextmanager
def _ignored(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        note(f"error: the server's events ended: {error}", "red")
