"""What somebody asked for: one session of one endpoint in one room."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NewType

import msgspec

from runtime.errors import ConfigError
from runtime.knob import parse_bytes, parse_seconds

if TYPE_CHECKING:  # a zygote needs none of the settings
    from runtime.settings import LimitSettings

SessionId = NewType("SessionId", str)

# Crockford's alphabet: no I, L, O, U, so an id read aloud or typed again stays the same id.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_session_id() -> SessionId:
    """A fresh id such as ``s_7Q4M2XKB9TEV``: 60 random bits, so that no two of many servers meet."""
    return SessionId("s_" + "".join(secrets.choice(_ALPHABET) for _ in range(12)))


UNLIMITED = "unlimited"
_NONE = ("", "0", "0.0", UNLIMITED)

_READERS: dict[str, tuple[str, Callable[[Any], int | float]]] = {
    "memory": ("memory_bytes", lambda value: int(parse_bytes(value))),
    "cpu": ("cpu", float),
    "cpu_total": ("cpu_total_s", parse_seconds),
    "pids": ("pids", int),
    "files": ("files", int),
    "file_size": ("file_size_bytes", lambda value: int(parse_bytes(value))),
    "disk": ("disk_bytes", lambda value: int(parse_bytes(value))),
    "timeout": ("timeout_s", parse_seconds),
    "idle_timeout": ("idle_timeout_s", parse_seconds),
    "concurrency": ("concurrency", int),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one session, over the whole process tree.

    None leaves a limit to the server's default; ``"unlimited"`` takes the default away.

    Attributes:
        memory: Bytes, or a text such as ``"512MiB"``.  Pages shared with other sessions are divided.
        cpu: Cores, such as 0.5: a tree that uses more is stopped for as long as it has used too much.
        cpu_total: Seconds of processor time of a whole life, or a text such as ``"10m"``.
        pids: Processes and threads.
        files: Open files of one process.
        file_size: Bytes of the largest file it may write, or a text.
        disk: Bytes that it may keep in its own folder ($HOME, $TMPDIR), or a text.
        timeout: Seconds from start, or a text such as ``"30m"``.
        idle_timeout: Seconds without a message, or a text.
        concurrency: Sessions of the endpoint at once; the one limit that is not of a single session.
    """

    memory: str | int | None = None
    cpu: float | str | None = None
    pids: int | str | None = None
    files: int | str | None = None
    timeout: str | float | None = None
    idle_timeout: str | float | None = None
    cpu_total: str | float | None = None
    file_size: str | int | None = None
    disk: str | int | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        try:
            values = self.plain().values()
        except (ValueError, TypeError) as error:
            cure = 'Write Limits(memory="512MiB", timeout="30m").'
            raise ConfigError(f"limits: {error}", cure=cure) from error
        if any(value <= 0 for value in values):
            raise ConfigError("limits: a limit must be above zero", cure='Write "unlimited" for no limit.')

    def over(self, weaker: Limits) -> Limits:
        """These limits, with the gaps filled from `weaker`."""
        own = {name: getattr(self, name) for name in _READERS}
        return Limits(
            **{name: getattr(weaker, name) if value is None else value for name, value in own.items()}
        )

    def plain(self) -> dict[str, int | float]:
        """Only what is limited, in base units, as the API shows it."""
        found = {}
        for name, (shown, reader) in _READERS.items():
            value = getattr(self, name)
            if value is not None and value != UNLIMITED:
                found[shown] = reader(value)
        return found

    def declared(self) -> dict[str, int | float | str]:
        """What was said, in base units, limits that were taken away included; `from_declared` reads it."""
        away = {shown: UNLIMITED for name, (shown, _) in _READERS.items() if getattr(self, name) == UNLIMITED}
        return {**self.plain(), **away}

    @classmethod
    def from_declared(cls, declared: Mapping[str, Any]) -> Limits:
        """Read what `declared` wrote; names nobody knows are left out (a newer or older bundle's)."""
        names = {shown: name for name, (shown, _) in _READERS.items()}
        return cls(**{names[shown]: value for shown, value in declared.items() if shown in names})

    @classmethod
    def from_settings(cls, settings: LimitSettings) -> Limits:
        """The server's own; what is empty or 0 there is no limit."""
        words = {name: getattr(settings, name) for name in _READERS}
        return cls(**{name: value for name, value in words.items() if str(value) not in _NONE})


class Tracing(msgspec.Struct, frozen=True, kw_only=True):
    """That a session is traced, as the span that its ``traceparent`` names.

    Attributes:
        asked: It is a part of the request that called it, of which its own id tells the other's.
        content: What people, models and tools say goes along.
    """

    asked: bool = False
    content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """Everything a placement needs to run one session; plain data.

    Attributes:
        bundle: Name of the bundle whose zygote forks the worker.
        endpoint: Path of the endpoint, such as ``/chat``.
        room_url: Websocket address of the room; unused when `relay` is set.
        token: Participant token to enter with; a secret.
        arguments: What the caller passed along (JSON object).
        relay: The caller's own socket is the room connection; packets travel through the front.
        webhook_id: The caller's id of this call, when it gave one; equal ids are one call.
        accepted_at: Seconds since the epoch.
        traceparent: W3C trace context: of itself where it is traced, else of the caller, if that sent any.
        tracing: How it is traced; None when it is not.
        restart: Its endpoint's restart policy: ``never``, ``on_failure`` or ``always``.
    """

    session_id: SessionId
    bundle: str
    endpoint: str
    identity: str
    room: str
    room_url: str = ""
    token: str = field(default="", repr=False)
    arguments: dict[str, Any] = field(default_factory=dict)
    relay: bool = False
    webhook_id: str = ""
    request_id: str = ""
    accepted_at: float = 0.0
    traceparent: str = ""
    tracing: Tracing | None = None
    limits: Limits = field(default_factory=Limits)
    limit_sources: Mapping[str, str] = field(default_factory=dict)
    restart: str = "never"

    @property
    def example(self) -> str:
        """Its ``traceparent``, where there is a trace to look at; empty otherwise."""
        return self.traceparent if self.tracing is not None else ""

    @property
    def own_room(self) -> str:
        """The room of this server that it enters; empty when its room is elsewhere."""
        return "" if self.relay or self.room_url else self.room


SessionState = Literal["accepted", "starting", "ready", "stopping", "exited"]
