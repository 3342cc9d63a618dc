"""What became of a session: its state, its process, its end."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionSpec, SessionState
from runtime.session.usage import Usage
from runtime.wire.bounds import NAME_CHARS, PLACE_CHARS, TEXT_CHARS, TRACEBACK_CHARS, WORD_CHARS, text

_SENTENCE_CHARS: Final = TEXT_CHARS + 1_000
"""Of a whole end: what failed, how, and where."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An exception of user code, as the worker saw it.

    Attributes:
        stage: ``import``, ``construct``, ``join``, ``start``, ``run`` or ``stop``.
        kind: Class name of the exception.
        message: Its text, cut; see `runtime.wire.bounds`.
        where: ``file:line in function`` of the innermost line of the bundle; empty when unknown.
        traceback: The formatted traceback, cut.
    """

    stage: str
    kind: str
    message: str
    where: str = ""
    traceback: str = ""


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended.

    Attributes:
        code: Exit status of the process; None when a signal ended it or it never ran.
        signal: Number of the signal that ended it; None otherwise.
        message: One sentence for people.
        at: Seconds since the epoch.
    """

    reason: ExitReason
    message: str
    code: int | None = None
    signal: int | None = None
    at: float = 0.0
    failure: Failure | None = None

    def bounded(self) -> Exit:
        """The same, with every text cut: somebody else wrote them, perhaps an earlier version."""
        failure = self.failure
        if failure is not None:
            failure = Failure(
                stage=text(failure.stage, WORD_CHARS),
                kind=text(failure.kind, NAME_CHARS),
                message=text(failure.message, TEXT_CHARS),
                where=text(failure.where, PLACE_CHARS),
                traceback=text(failure.traceback, TRACEBACK_CHARS),
            )
        return replace(self, message=text(self.message, _SENTENCE_CHARS), failure=failure)

    def recorded(self) -> Exit:
        """What a record keeps of it: the traceback is its report's."""
        kept = self.bounded()
        return kept if kept.failure is None else replace(kept, failure=replace(kept.failure, traceback=""))


class SessionRecord(msgspec.Struct, kw_only=True):
    """The one mutable account of a session; written by dispatch alone, read by everybody.

    Times are seconds since the epoch, None until they happened.

    Attributes:
        generation: Which attempt this is, from 1; 0 before the first one was placed.
        code_generation: Which load of its bundle's code its process runs; 0 before it had one.
        node_id: Which machine runs it, or did; empty before it was placed.
        boot: Which life of that machine's supervisor.
        moves: How often it went on at another machine because its own was emptied; those are no restarts.
        lived_s: Seconds that its last process lived, whatever was done to the clock; known once it ended.
        cpu_s: Processor time of the whole process tree; known once it ended.
        restart_at: When the next attempt begins; None unless it waits for one.
        last_exit: How the attempt before this one ended; None for the first.
        takeovers: Over how many deaths of the server it was tried again since it had lived for a while.
        was_ready: One of its attempts was ready.
        stopping: The reason for which it was asked to end; empty while it was not.
        is_due: It ended with its server, and is to be started again with it.
        usage: What the attempts that ended used together.
        claims: What the worker of this attempt says it did; see `runtime.session.usage`.
        confinement: What its process may reach, as the API shows it; empty where nothing is held back.
        refused: How often each rule refused it something in this attempt.
    """

    spec: SessionSpec
    state: SessionState = "accepted"
    generation: int = 0
    pid: int | None = None
    started_at: float | None = None
    ready_at: float | None = None
    exit: Exit | None = None
    restarts: int = 0
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    log_lines_dropped: int = 0
    messages: int = msgspec.field(default=0)
    restart_at: float | None = None
    last_exit: Exit | None = None
    takeovers: int = 0
    was_ready: bool = False
    stopping: str = ""
    is_due: bool = False
    usage: Usage = msgspec.field(default_factory=Usage)
    claims: dict[str, int] = msgspec.field(default_factory=dict)
    code_generation: int = 0
    confinement: dict[str, Any] = msgspec.field(default_factory=dict)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    lived_s: float | None = None
    node_id: str = ""
    boot: str = ""
    moves: int = 0
