"""What somebody asked for: one session of one endpoint in one room."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, NewType

from runtime.errors import ConfigError
from runtime.settings import LimitSettings, parse_bytes, parse_seconds

SessionId = NewType("SessionId", str)

# Crockford's alphabet: no I, L, O, U, so an id read aloud or typed again stays the same id.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_session_id() -> SessionId:
    """A fresh id such as ``s_7Q4M2XKB``: 40 random bits."""
    return SessionId("s_" + "".join(secrets.choice(_ALPHABET) for _ in range(8)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one session, over the whole process tree; None leaves that one open.

    Attributes:
        memory: Bytes, or a text such as ``"512MiB"``.
        cpu: Cores.
        pids: Processes and threads.
        files: Open files of one process.
        timeout: Seconds from start, or a text such as ``"30m"``.
        idle_timeout: Seconds without a message, or a text.
        concurrency: Sessions of the endpoint at once; the one limit that is not of a single session.
    """

    memory: str | int | None = None
    cpu: float | None = None
    pids: int | None = None
    files: int | None = None
    timeout: str | float | None = None
    idle_timeout: str | float | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        try:
            values = (self.memory_bytes, self.timeout_s, self.idle_timeout_s, self.cpu, self.pids, self.files)
        except ValueError as error:
            raise ConfigError(f"limits: {error}", cure='Write Limits(memory="512MiB", timeout="30m").') from error
        if any(value is not None and value <= 0 for value in (*values, self.concurrency)):
            raise ConfigError("limits: a limit must be above zero", cure="Leave it out for no limit.")

    @property
    def memory_bytes(self) -> int | None:
        return None if self.memory is None else parse_bytes(self.memory)

    @property
    def timeout_s(self) -> float | None:
        return None if self.timeout is None else parse_seconds(self.timeout)

    @property
    def idle_timeout_s(self) -> float | None:
        return None if self.idle_timeout is None else parse_seconds(self.idle_timeout)

    def over(self, weaker: Limits) -> Limits:
        """These limits, with the gaps filled from `weaker`."""
        names = ("memory", "cpu", "pids", "files", "timeout", "idle_timeout", "concurrency")
        own = {name: getattr(self, name) for name in names}
        return Limits(**{name: getattr(weaker, name) if value is None else value for name, value in own.items()})

    def plain(self) -> dict[str, int | float]:
        """Only what is limited, in base units, as the API shows it."""
        shown = {
            "memory_bytes": self.memory_bytes,
            "cpu": self.cpu,
            "pids": self.pids,
            "files": self.files,
            "timeout_s": self.timeout_s,
            "idle_timeout_s": self.idle_timeout_s,
            "concurrency": self.concurrency,
        }
        return {name: value for name, value in shown.items() if value is not None}

    @classmethod
    def from_settings(cls, settings: LimitSettings) -> Limits:
        return cls(
            memory=settings.memory or None,
            cpu=settings.cpu or None,
            pids=settings.pids or None,
            files=settings.files or None,
            timeout=settings.timeout or None,
            idle_timeout=settings.idle_timeout or None,
            concurrency=settings.concurrency or None,
        )


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
        traceparent: W3C trace context of the caller; empty when it sent none.
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
    limits: Limits = field(default_factory=Limits)
    restart: str = "never"


SessionState = Literal["accepted", "starting", "ready", "stopping", "exited"]
