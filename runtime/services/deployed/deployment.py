"""One sending of a bundle: what was asked for, how far it got, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

import msgspec

from runtime.services.service import Service

State = Literal["waiting", "checking", "installing", "loading", "ready", "failed"]
MAX_LINES: Final = 500
MAX_LINE_CHARS: Final = 500


class Deployment(msgspec.Struct, eq=False):
    """Runs in: the front's event loop.

    Attributes:
        name: Of the service.
        room: Whose it is; empty for the project.
        environment: Variables of its manifest; None for those that the service has.
        now: Sessions of older revisions end, instead of going on.
        by: Who asked for it.
        dropped: How many of the first lines are not kept any more.
        digest: Of what was sent, in hexadecimal digits.
        going_on: Sessions that go on with older revisions.
        error: Why it failed.
    """

    id: str
    name: str
    room: str
    environment: list[dict[str, Any]] | None
    now: bool
    by: str
    state: State = "waiting"
    lines: list[str] = msgspec.field(default_factory=list)
    dropped: int = 0
    digest: str = ""
    service: Service | None = None
    going_on: int = 0
    error: Exception | None = None
    _news: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        return self.state in ("ready", "failed")

    def becomes(self, state: State) -> None:
        self.state = state
        self._tell()

    def fails(self, error: Exception) -> None:
        """It is over; what was sent is not kept with the reason, whose frames would hold it."""
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self.error = error
        self.becomes("failed")

    def say(self, line: str) -> None:
        """A line of progress."""
        self.lines.append(line[:MAX_LINE_CHARS])
        if len(self.lines) > MAX_LINES:
            del self.lines[0]
            self.dropped += 1
        self._tell()

    async def news(self, after: int, state: str, *, timeout_s: float) -> None:
        """Return once there are more lines than `after`, or another state, or time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state == state and self.dropped + len(self.lines) <= after:
                    await self._news.wait()
        except TimeoutError:
            pass

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
