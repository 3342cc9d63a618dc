"""What a placement reports of a session, in the order it may report it.

Per session: Placed -> Started -> Ready? -> Status* -> Stopping? -> Exited (exactly once) -> Released;
Warned, Refused and Traced may come anywhere between Started and Exited.
A session that never got a process goes from Placed to Exited.  Nothing follows Released.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runtime.session.crash import CrashReport
from runtime.session.record import Exit
from runtime.session.spec import SessionId
from runtime.session.use import Use
from runtime.wire.spans import Span


class SessionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the events.

    Attributes:
        at: Seconds since the epoch.
    """

    session_id: SessionId
    at: float


class Placed(SessionEvent, frozen=True, kw_only=True):
    """A lease was given; a process is being had.

    Attributes:
        node_id: Which machine runs it; ``local`` where there is but one.
        boot: Which life of that machine's supervisor.
    """

    generation: int
    node_id: str = ""
    boot: str = ""


class Started(SessionEvent, frozen=True, kw_only=True):
    """The session's process exists and has its work.

    Attributes:
        code_generation: Which load of its bundle's code it runs; 0 when unknown.
        confinement: What it may reach, as the API shows it; empty where nothing is held back.
    """

    pid: int
    parked: bool = False
    code_generation: int = 0
    confinement: dict[str, Any] = msgspec.field(default_factory=dict)


class Ready(SessionEvent, frozen=True, kw_only=True):
    """The agent joined the room and its `start` returned.

    Attributes:
        start_ms: Milliseconds from the placement to Ready.
        participant_id: The room's id for it; empty when the room gave none.
    """

    start_ms: float
    participant_id: str = ""


class Status(SessionEvent, frozen=True, kw_only=True):
    """The worker said something about itself: counters, a busy flag, a note."""

    values: dict[str, Any] = msgspec.field(default_factory=dict)


class Warned(SessionEvent, frozen=True, kw_only=True):
    """Something that may end the session if it goes on; the session goes on for now.

    Attributes:
        kind: ``memory``, ``cpu``, ``pids``, ``files``, ``deadline``, ``idle``, ``hang``, ``frozen`` or
            ``thawed``.
        message: One sentence for people.
        stack: Where its threads and tasks were, for a hang; empty otherwise.
    """

    kind: str
    message: str
    stack: str = ""


class Refused(SessionEvent, frozen=True, kw_only=True):
    """Its confinement refused something, and the session went on.

    Attributes:
        found: What is new of it: each with ``rule``, ``what``, ``message`` and ``cure``.
        counts: How often each rule refused something in this attempt.
    """

    found: tuple[dict[str, str], ...]
    counts: dict[str, int]


class Traced(SessionEvent, frozen=True, kw_only=True):
    """It measured pieces of its work.

    Attributes:
        dropped: How many there were beyond them.
        service: What its program calls itself; empty where it does not say.
    """

    spans: tuple[Span, ...] = ()
    dropped: int = 0
    service: str = ""


class Stopping(SessionEvent, frozen=True, kw_only=True):
    """The session was asked to stop."""

    reason: str


class Exited(SessionEvent, frozen=True, kw_only=True):
    """The process is gone, all of it.

    Attributes:
        use: What its process tree used, from its start to its end.
        report: Why it ended, when that was not clean.
        log_bytes: What it wrote to its log.
        relay_bytes: What went through the front for its relayed room connection, both ways.
    """

    exit: Exit
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    log_lines_dropped: int = 0
    use: Use = msgspec.field(default_factory=Use)
    report: CrashReport | None = None
    log_bytes: int = 0
    relay_bytes: int = 0


class Released(SessionEvent, frozen=True, kw_only=True):
    """Nothing of the session is held any more: no descriptor, no slot, no log buffer but the record."""
