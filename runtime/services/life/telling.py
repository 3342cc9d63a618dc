"""What is told of a service in a room: its state, its last end, its events."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, Final

import msgspec

from runtime.containers.contract import Exit
from runtime.services.terms import State, Tell

MAX_EVENTS: Final = 50
MAX_MESSAGE_CHARS: Final = 1_000
_WORDS: Final = {
    State.IDLE: "stopped",
    State.STARTING: "starting",
    State.WAITING: "starting",
    State.RUNNING: "running",
    State.REPLACING: "running",
    State.SWITCHING: "running",
    State.STOPPING: "stopped",
    State.BACKOFF: "scheduled",
}


_LIMITS: Final = {
    "memory": "it ran out of memory",
    "pids": "it had too many processes",
    "disk": "it kept too much on the disk",
    "lost": "it was lost",
}
NOT_BY_SIGNAL: Final = 128
"""Codes above it are that and the number of the signal that ended a container."""
_SIGNALS: Final = {int(one): one.name for one in signal.Signals}


def how(found: Exit) -> str:
    """How a container ended, in a sentence: by which limit or signal, and what it said last."""
    by = _SIGNALS.get(found.code - NOT_BY_SIGNAL)
    ended = f"{by} ended it ({found.code})" if by else f"it ended with {found.code}"
    what = _LIMITS.get(found.reason, ended)
    return f"{what}: {found.message}" if found.message else what


class PortSeen(msgspec.Struct):
    """What was last seen of a port."""

    named: int | str
    liveness: str
    status: str
    checked_at: float | None = None
    error: str | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "num": self.named,
            "liveness": self.liveness or None,
            "liveness_status": self.status,
            "last_checked_at": self.checked_at,
            "last_error": self.error,
        }


class Telling:
    """The memory of one service in one room; times are seconds since the epoch.

    Args:
        hide: Takes secrets out of a text.
    """

    def __init__(self, wall: Callable[[], float], hide: Callable[[str], str]) -> None:
        self._wall, self._hide = wall, hide
        self._events: list[dict[str, Any]] = []
        self.started_at: float | None = None
        self.exit: tuple[int, float] | None = None
        self.start_error: tuple[str, float] | None = None
        self.retry_at: float | None = None
        self.ports: list[PortSeen] = []

    def note(self, tell: Tell) -> None:
        """Keep an event; one that is told already is counted, and is the newest again."""
        now, message = self._wall(), self._hide(tell.message)[:MAX_MESSAGE_CHARS]
        if tell.reason == "FailedStart":
            self.start_error = (message, now)
        same = [one for one in self._events if (one["reason"], one["message"]) == (tell.reason, message)]
        if same:
            same[0]["count"] += 1
            same[0]["last_timestamp"] = now
            self._events.remove(same[0])
            self._events.append(same[0])
            return
        kind = "Warning" if tell.is_warning else "Normal"
        new = {"type": kind, "reason": tell.reason, "message": message, "count": 1}
        self._events.append({**new, "first_timestamp": now, "last_timestamp": now})
        del self._events[:-MAX_EVENTS]

    def shown(self, service_id: str, state: State, *, restarts: int, container: str | None) -> dict[str, Any]:
        """As clients read it."""
        return {
            "service_id": service_id,
            "state": _WORDS[state],
            "container_id": container,
            "started_at": self.started_at,
            "restart_count": restarts,
            "restart_scheduled_at": self.retry_at if state is State.BACKOFF else None,
            "last_exit_code": self.exit[0] if self.exit else None,
            "last_exit_at": self.exit[1] if self.exit else None,
            "last_start_error": self.start_error[0] if self.start_error else None,
            "last_start_error_at": self.start_error[1] if self.start_error else None,
            "status": {"ports": [port.shown() for port in self.ports]},
            "events": [dict(one) for one in self._events],
        }
