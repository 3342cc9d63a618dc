"""The report of a session that did not end well: everything that was known when it ended, as plain data.

A report is complete when it is made and never changes; what could not be known stands in `unknown` with the
reason, so that an empty section is not mistaken for "there was nothing".  Every text in it is bounded and
redacted by whoever puts it there (`runtime.supervisor.reports.post_mortem`).  Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.session.cures.of_ends import Case, cure_for, sentence_for
from runtime.session.info import LogLine, MessageSeen
from runtime.session.record import Exit, Failure, SessionRecord
from runtime.session.spec import SessionId
from runtime.session.use import Use
from runtime.wire.trace import Excerpt, Frame, TaskTrace

MAX_REPORT_BYTES: Final = 384 << 10
_NEVER_RAN: Final = "no process of it was seen by this server"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Which code ran.

    Attributes:
        generation: How often this server had loaded the bundle, from 1; 0 when unknown.
        file: The bundle's program.
        sha256: Of that file as it was run.
        modified_at: When the file was last changed, seconds since the epoch.
    """

    bundle: str = ""
    generation: int = 0
    file: str = ""
    sha256: str = ""
    modified_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCode:
    """Code and where it came from, as the supervisor knows it.

    Attributes:
        folder: The bundle's folder; the front reads source only below it.
        loaded_at: Seconds since the epoch.
        secrets: Values that its reports must not show.
    """

    code: Code
    folder: PurePath
    loaded_at: float
    secrets: tuple[str, ...] = field(default=(), repr=False)


class PipeTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """One message on the worker's pipe, or several of a kind in a row; never what was in them.

    Attributes:
        direction: ``in`` (to the worker) or ``out`` (from it).
        at: Of the last one, seconds since the epoch.
        size_bytes: Of all together.
    """

    direction: str
    kind: str
    at: float
    count: int = 1
    size_bytes: int = 0


class Recorded(msgspec.Struct, frozen=True):
    """A message that came to the session, without secrets.

    Attributes:
        kind: Its type in the room protocol.
        header: Its JSON; texts may be cut.
        data_bytes: How many raw bytes came with it; they are not kept.
    """

    kind: str
    header: dict[str, Any]
    data_bytes: int = 0


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """Why one session ended, for people.

    Attributes:
        sentence: What happened.
        cure: What to do about it, in one line.
        fingerprint: Equal for crashes of one kind at one place, whatever the messages and line numbers.
        generation: Which attempt of the session this was.
        where: ``file:line in function`` of the agent's innermost line; empty when there was none.
        after_s: Seconds from the start of its process to the end; None when it never had one.
        native: What faulthandler wrote: the stack of every thread.
        messages: The last ones on its pipe to the server.
        room_messages: The last ones between it and its room.
        recorded: The last ones that came, with what was in them, where the server keeps that.
        process_tree: One line per process that was there at the last look.
        use: What its process tree used over time.
        warnings: What was said about it before the end: limits that came near, a loop that did not turn.
        unknown: Sections that are empty because nobody could know, with the reason.
    """

    session_id: SessionId
    endpoint: str
    identity: str
    room: str
    generation: int
    exit: Exit
    sentence: str
    cure: str
    fingerprint: str
    at: float
    code: Code = msgspec.field(default_factory=Code)
    pid: int | None = None
    after_s: float | None = None
    where: str = ""
    excerpt: Excerpt | None = None
    traceback: str = ""
    frames: tuple[Frame, ...] = ()
    frames_omitted: int = 0
    tasks: tuple[TaskTrace, ...] = ()
    native: str = ""
    log: tuple[LogLine, ...] = ()
    log_lines_dropped: int = 0
    messages: tuple[PipeTraffic, ...] = ()
    room_messages: tuple[MessageSeen, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
    use: Use = msgspec.field(default_factory=Use)
    warnings: tuple[str, ...] = ()
    process_tree: tuple[str, ...] = ()
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    unknown: dict[str, str] = msgspec.field(default_factory=dict)


_LONGEST: Final[tuple[tuple[str, Any], ...]] = (
    ("recorded", ()),
    ("use", Use()),
    ("log", ()),
    ("native", ""),
    ("tasks", ()),
    ("frames", ()),
)
_decoder = msgspec.json.Decoder(CrashReport)


def to_json(report: CrashReport) -> bytes:
    """The report as it is stored; at most `MAX_REPORT_BYTES`, if need be without its longest sections."""
    encoded = msgspec.json.encode(report)
    for section, empty in _LONGEST:
        if len(encoded) <= MAX_REPORT_BYTES:
            break
        why = report.unknown | {section: "left out: the report would have been too large"}
        fewer: dict[str, Any] = {section: empty, "unknown": why}
        report = replace(report, **fewer)
        encoded = msgspec.json.encode(report)
    return encoded


def from_json(raw: bytes | str) -> CrashReport:
    """Read a stored report.  Raises msgspec.MsgspecError when it is none."""
    return _decoder.decode(raw)


def fingerprint(exit: Exit, where: str, *, folder: str, fallback: str) -> str:
    """Twelve hexadecimal digits that crashes of one kind at one place share.

    The place is file and function, not the line: an edit further up moves the line, and the message often
    carries a value.  The file counts by its path within the bundle, so that two machines agree.

    Args:
        where: ``file:line in function``; empty when there is no such line.
        folder: The bundle's folder.
        fallback: Stands for the place when there is none, such as the endpoint.
    """
    file, _, rest = where.rpartition(":") if where else ("", "", "")
    function = rest.partition(" in ")[2]
    path = PurePath(file)
    if folder and path.is_relative_to(folder):
        path = path.relative_to(folder)
    place = f"{path.as_posix()}#{function}" if where else fallback
    kind = exit.failure.kind if exit.failure is not None else ""
    number = "" if exit.signal is None or kind else str(exit.signal)
    # A signal that we sent ourselves (a hang is killed) says nothing of the cause.
    parts = (exit.reason.value, kind, number if exit.reason.value == "signal" else "", place)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def of_record(report: CrashReport, record: SessionRecord) -> CrashReport:
    """A report that somebody else made: which session it is about, is not theirs to say."""
    spec = record.spec
    return replace(
        report,
        session_id=spec.session_id,
        endpoint=spec.endpoint,
        identity=spec.identity,
        room=spec.room,
        generation=record.generation,
    )


def bare(record: SessionRecord, exit: Exit) -> CrashReport:
    """The report where no supervisor made one: the server, or the placement, lost sight of the session."""
    spec = record.spec
    case, failure = Case.of(exit), exit.failure
    nothing = (
        "frames",
        "tasks",
        "native",
        "log",
        "messages",
        "room_messages",
        "use",
        "process_tree",
        "excerpt",
        "code",
    )
    return CrashReport(
        session_id=spec.session_id,
        endpoint=spec.endpoint,
        identity=spec.identity,
        room=spec.room,
        generation=record.generation,
        exit=exit if failure is None else replace(exit, failure=replace(failure, traceback="")),
        sentence=sentence_for(case),
        cure=cure_for(case),
        fingerprint=fingerprint(exit, where_of(exit.failure), folder="", fallback=spec.endpoint),
        at=exit.at,
        code=Code(bundle=spec.bundle),
        pid=record.pid,
        after_s=None if record.started_at is None else max(0.0, exit.at - record.started_at),
        where=where_of(failure),
        traceback=failure.traceback if failure is not None else "",
        log_lines_dropped=record.log_lines_dropped,
        peak_rss_bytes=record.peak_rss_bytes,
        cpu_s=record.cpu_s,
        unknown=dict.fromkeys(nothing, _NEVER_RAN),
    )


def where_of(failure: Failure | None) -> str:
    """The agent's line in a failure; empty when there is none."""
    return failure.where if failure is not None else ""
