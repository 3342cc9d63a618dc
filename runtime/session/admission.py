"""Decide whether a call may become a session.  Pure.

A slot is reserved the moment a call is admitted, before anything is awaited, so that a burst cannot pass
a bound while the first calls are still being written down: reserved + running never exceeds the capacity.
A call whose id was admitted before gets that session again, also while draining or full; what was refused
is not remembered, so trying again with the same id is right.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from runtime.errors import LocalProtocolError
from runtime.session.spec import SessionId

REMEMBER_COUNT: Final = 10_000


class Load(Protocol):
    """How much a placement runs and may run."""

    @property
    def sessions(self) -> int: ...
    @property
    def starting(self) -> int: ...
    @property
    def max_sessions(self) -> int: ...
    @property
    def max_starting(self) -> int: ...
    @property
    def draining(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call has a slot until `Admission.settle`."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same call was admitted before, as this session."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class Refused:
    """Not now.

    Attributes:
        code: ``draining``, ``too_many_sessions`` or ``too_many_starting``.
        retry_after_s: When asking again makes sense.
    """

    code: str
    retry_after_s: int
    message: str
    cure: str


class Admission:
    """Slots and remembered call ids.

    Args:
        remember_count: How many call ids are remembered; the oldest goes first.
    """

    def __init__(self, *, remember_count: int = REMEMBER_COUNT) -> None:
        self._remember_count = remember_count
        self._ids: OrderedDict[tuple[str, str], SessionId] = OrderedDict()
        self._reserved: dict[SessionId, tuple[str, str] | None] = {}

    @property
    def reserved(self) -> int:
        """Admitted calls that the placement does not count yet."""
        return len(self._reserved)

    def admit(
        self, session_id: SessionId, load: Load, *, endpoint: str, webhook_id: str = ""
    ) -> Admitted | Refused | Duplicate:
        """Decide about one call; an admitted one must be settled.

        Args:
            session_id: The id the session will have if it is admitted.
            webhook_id: The caller's id of this call, unique per endpoint; empty when it gave none.
        """
        key = (endpoint, webhook_id) if webhook_id else None
        if key is not None and key in self._ids:
            return Duplicate(self._ids[key])
        refused = self._bound(load)
        if refused is not None:
            return refused
        if session_id in self._reserved:
            raise LocalProtocolError(f"session {session_id} was admitted already")
        self._reserved[session_id] = key
        if key is not None:
            self._remember(key, session_id)
        return Admitted(session_id)

    def settle(self, session_id: SessionId, *, accepted: bool) -> None:
        """Give the slot back: from now on the placement counts the session, or it never came to be.

        Args:
            accepted: False forgets the call's id, so that the caller can try again.
        """
        key = self._reserved.pop(session_id, None)
        if not accepted and key is not None:
            self._ids.pop(key, None)

    def restore(self, session_id: SessionId, *, endpoint: str, webhook_id: str) -> None:
        """Remember a call of an earlier run of the server; oldest first."""
        if webhook_id:
            self._remember((endpoint, webhook_id), session_id)

    def _bound(self, load: Load) -> Refused | None:
        if load.draining:
            return Refused(
                "draining", 5, "the server is shutting down", "Send the call again in a few seconds."
            )
        if load.starting + self.reserved >= load.max_starting:
            return Refused(
                "too_many_starting",
                1,
                f"{load.max_starting} sessions are starting already",
                "Send the call again in a second, or raise supervisor.max_starting.",
            )
        if load.sessions + self.reserved >= load.max_sessions:
            return Refused(
                "too_many_sessions",
                10,
                f"{load.max_sessions} sessions are running, which is the most this server takes",
                "End some, or raise supervisor.max_sessions.",
            )
        return None

    def _remember(self, key: tuple[str, str], session_id: SessionId) -> None:
        self._ids[key] = session_id
        while len(self._ids) > self._remember_count:
            self._ids.popitem(last=False)
