"""Why sessions ended badly, as the API shows it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtime.front.openapi.shapes.sessions import Exit, LogLine
from runtime.front.openapi.shapes.shape import SessionName, Shape, Time, words
from runtime.session.crash import Recorded
from runtime.session.exit_reasons import ExitReason
from runtime.session.use import Use
from runtime.wire.trace import Excerpt, Frame, TaskTrace

Fingerprint = Annotated[
    str, Meta(description="Equal for crashes of one kind at one place", examples=["0123456789ab"])
]


class Failure(Shape, frozen=True, kw_only=True):
    """An exception of the agent's code."""

    stage: str
    kind: str
    message: str
    where: str
    traceback: str


class CodeThatRan(Shape, frozen=True, kw_only=True):
    """Which code it was."""

    bundle: str
    code_generation: Annotated[int, Meta(description="Which load of the bundle it was; 0 when unknown")]
    generation: Annotated[int, Meta(description="`code_generation`, as it was called before")]
    file: str
    sha256: str
    modified_at: Time | None


class PipeMessage(Shape, frozen=True, kw_only=True):
    """A message on the worker's pipe, or several of a kind in a row."""

    direction: str
    kind: str
    at: Time
    count: int
    size_bytes: int


class RoomMessage(Shape, frozen=True, kw_only=True):
    """A message between the session and its room, or several of a kind in a row."""

    at: Time
    direction: str
    kind: str
    bytes_count: int
    count: int


class CrashReport(Shape, frozen=True, kw_only=True):
    """Why one session ended, and what to do about it."""

    session: SessionName
    exit: Exit
    endpoint: str
    identity: str
    room: str
    attempt: Annotated[int, Meta(description="Which attempt of the session it was, from 1")]
    generation: Annotated[int, Meta(description="`attempt`, as it was called before")]
    sentence: str
    cure: str
    fingerprint: Fingerprint
    at: Time
    code: CodeThatRan
    pid: int | None
    after_s: float | None
    where: str
    excerpt: Excerpt | None
    traceback: str
    frames: list[Frame]
    frames_omitted: int
    tasks: list[TaskTrace]
    native: str
    log: list[LogLine]
    log_lines_dropped: int
    messages: list[PipeMessage]
    room_messages: list[RoomMessage]
    recorded: list[Recorded]
    peak_rss_bytes: int
    cpu_s: float
    use: Use
    warnings: list[str]
    process_tree: list[str]
    arguments: dict[str, Any]
    unknown: Annotated[dict[str, str], Meta(description="Sections that nobody could know, and why")]
    failure: Failure | None


class CrashGroup(Shape, frozen=True, kw_only=True):
    """A kind of crash at one place."""

    fingerprint: Fingerprint
    count: int
    first_at: Time
    last_at: Time
    reason: Annotated[str, words(*ExitReason)]
    kind: str
    where: str
    endpoint: str
    bundle: str
    session_id: SessionName
    sentence: str
    cure: str
    code_generation: int
    code_sha256: str


class CrashOf(Shape, frozen=True, kw_only=True):
    """One crash of a kind."""

    session: SessionName
    attempt: int
    generation: Annotated[int, Meta(description="`attempt`, as it was called before")]
    at: Time


class CrashKind(CrashGroup, frozen=True, kw_only=True):
    """A kind of crash, its sessions, and its latest report."""

    sessions: list[CrashOf]
    report: CrashReport | None


class Crashes(Shape, frozen=True, kw_only=True):
    """What ended badly, the latest kind first."""

    crashes: list[CrashGroup]
