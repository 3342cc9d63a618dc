"""One container, and what is known of it."""

from __future__ import annotations

import asyncio

import msgspec

from runtime.containers.contract import Ask, Box, BoxId, Exit, Starter, State


class Record(msgspec.Struct, eq=False):
    """Kept from its reservation until it is forgotten.

    Attributes:
        since: Monotonic seconds of its start, then of its end.
        is_stopping: Somebody wants it to end.
    """

    id: BoxId
    room: str
    ask: Ask
    starter: Starter
    name: str
    image_id: str
    state: State = "CREATED"
    status: str = "Created"
    ports: dict[int, int] = msgspec.field(default_factory=dict)
    since: float = 0.0
    exit: Exit | None = None
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    execs: int = 0
    is_stopping: bool = False

    def shown(self, now: float) -> Box:
        status = self.status
        if self.state == "RUNNING":
            status = f"Up {_length(now - self.since)}" + (f", {self.status}" if self.status else "")
        elif self.exit is not None:
            status = f"Exited ({self.exit.code}) {_length(now - self.since)} ago"
            status += f": {self.exit.message}" if self.exit.message else ""
        return Box(
            id=self.id,
            name=self.name,
            image=self.ask.image,
            image_id=self.image_id,
            state=self.state,
            status=status,
            starter=self.starter,
            private=self.ask.private,
            service_id=self.ask.service_id,
            ports=dict(self.ports),
            exit=self.exit,
            execs=self.execs,
        )


def _length(seconds: float) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds / size)
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{int(seconds)} seconds"
