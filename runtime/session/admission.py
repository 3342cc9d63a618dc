"""Decide whether a call may become a session.  Pure.

A slot is reserved the moment a call is admitted, before anything is awaited, so that a burst cannot pass
a bound while the first calls are still being written down: reserved + running never exceeds the capacity.
An admitted call keeps its slot while it waits for its turn to start, and a session that waits for its restart
keeps one too.  A call whose id was admitted before gets that session again, also while draining or full; what
was refused is not remembered, so trying again with the same id is right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import Final, Protocol

import msgspec

from runtime.errors import LACKS, LocalProtocolError
from runtime.session.calls.call_ids import CallId, CallIds
from runtime.session.calls.start_rate import MOST_RETRY_S, Pace, StartRate
from runtime.session.spec import SessionId

NO_MACHINE: Final = "no machine is there to run sessions"
JOIN_ONE: Final = "Start one with bulkhead node, and the token that bulkhead nodes token prints."
IN_TIME: Final = 0.75
"""Of the time that a call may wait for its turn, what the measured pace may take up: it is an estimate."""


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
    @property
    def headroom_bytes(self) -> int | None:
        """Memory that sessions may still take; None when it cannot be told."""
        ...

    @property
    def session_bytes(self) -> int:
        """What one more session is expected to take."""
        ...

    @property
    def sessions_left(self) -> int | None:
        """Sessions for which the open files suffice; None for no bound."""
        ...

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the system has no more of now."""
        ...


class RoomLoad(Protocol):
    """How many rooms this server has open, and may have."""

    @property
    def max_rooms(self) -> int: ...
    @property
    def open_count(self) -> int:
        """Rooms that are open, those that nobody is in included."""
        ...

    def occupied(self) -> Collection[str]:
        """Names of the rooms that somebody is in."""
        ...


class Admitted(msgspec.Struct, frozen=True):
    """The call has a slot until `Admission.settle`."""

    session_id: SessionId


class Duplicate(msgspec.Struct, frozen=True):
    """The id was admitted before, as this session; `is_same`: with the same call."""

    session_id: SessionId
    is_same: bool = True


class Refused(msgspec.Struct, frozen=True):
    """Not now.

    Attributes:
        code: ``draining``, ``too_many_sessions``, ``endpoint_busy``, ``queue_full``, ``no_memory``,
            ``too_many_rooms``, ``no_resources``, ``quarantined`` or ``id_reused``.
        retry_after_s: When asking again makes sense; None when time alone changes nothing.
    """

    code: str
    retry_after_s: int | None
    message: str
    cure: str


class Admission:
    """Slots, sessions per endpoint, and remembered call ids.

    Args:
        max_queued: Calls that may wait beyond those that are starting.
        queue_s: How long one may wait; what cannot start within it is refused.
        rooms: The rooms of this server, which sessions may need; None does not ask.
    """

    def __init__(
        self,
        *,
        max_queued: int = 0,
        queue_s: float = math.inf,
        ids: CallIds | None = None,
        rooms: RoomLoad | None = None,
    ) -> None:
        self._room_load = rooms
        self._max_queued, self._queue_s = max_queued, queue_s
        self.ids = ids or CallIds()
        self._reserved: set[SessionId] = set()
        self._held: set[SessionId] = set()
        self._endpoints: dict[SessionId, str] = {}
        self._counts: Counter[str] = Counter()
        self._rooms: Counter[str] = Counter()
        self._room_of: dict[SessionId, str] = {}
        self._paces: dict[str, Pace] = {}
        self.rate = StartRate()

    @property
    def reserved(self) -> int:
        """Sessions with a slot that the placement does not count (yet, or for the time being)."""
        return len(self._reserved) + len(self._held)

    def count(self, endpoint: str) -> int:
        """Sessions of an endpoint, from the admission to the end."""
        return self._counts[endpoint]

    def admit(
        self,
        session_id: SessionId,
        load: Load,
        *,
        endpoint: str,
        called: CallId | None = None,
        concurrency: int | None = None,
        room: str = "",
    ) -> Admitted | Refused | Duplicate:
        """Decide about one call; an admitted one must be settled, and said to have ended.

        Args:
            session_id: The id the session will have if it is admitted.
            called: The caller's id of this call, unique per endpoint; None when it gave none.
            concurrency: Sessions of this endpoint at once; None for no bound of its own.
            room: The room of this server that it is to enter; empty when it is elsewhere.
        """
        if called is not None and (first := self.ids.find(endpoint, called.webhook_id, called.at)):
            return Duplicate(first.session_id, is_same=first.call == called.call)
        refused = self._bound(load, endpoint, concurrency) or self._room_bound(room)
        if refused is not None:
            return refused
        if session_id in self._endpoints:
            raise LocalProtocolError(f"session {session_id} was admitted already")
        self._reserved.add(session_id)
        self._count(session_id, endpoint, room)
        if called is not None:
            self.ids.remember(called)
        return Admitted(session_id)

    def settle(self, session_id: SessionId, *, accepted: bool) -> None:
        """Give the slot back: from now on the placement counts the session, or it never came to be.

        Args:
            accepted: False forgets the call's id, so that the caller can try again.
        """
        self._held.discard(session_id)
        self._reserved.discard(session_id)
        if not accepted:
            self.ended(session_id)
            self.ids.forget(session_id)

    def hold(self, session_id: SessionId) -> None:
        """Keep a slot for a session that waits for its restart, until it is settled or has ended."""
        if session_id not in self._reserved:
            self._held.add(session_id)

    def waive(self, session_id: SessionId) -> None:
        """Let the slot go for as long as the session cannot be started: others may have it."""
        self.ended(session_id)

    def regain(self, session_id: SessionId, load: Load, *, endpoint: str) -> bool:
        """Have a slot again that was waived; False when there is none now."""
        if load.sessions + self.reserved >= load.max_sessions:
            return False
        self.restore(session_id, endpoint=endpoint)
        return True

    def ended(self, session_id: SessionId) -> None:
        """The session is over; saying so again changes nothing."""
        self._held.discard(session_id)
        self._reserved.discard(session_id)
        endpoint = self._endpoints.pop(session_id, None)
        if endpoint is not None:
            self._counts[endpoint] -= 1
            if not self._counts[endpoint]:
                del self._counts[endpoint]
        room = self._room_of.pop(session_id, None)
        if room is not None:
            self._rooms[room] -= 1
            if not self._rooms[room]:
                del self._rooms[room]

    def start_over(self, endpoint: str, now: float, *, waiting: bool) -> None:
        """A start is over, well or not; `waiting`: more calls of its endpoint wait for their turn."""
        self.rate.note(now)
        self._paces.setdefault(endpoint, Pace()).note(now, waiting=waiting)
        if not waiting:
            del self._paces[endpoint]

    def restore(self, session_id: SessionId, *, endpoint: str, room: str = "") -> None:
        """A session of an earlier run of the server will run again: it has a slot until it is settled."""
        self._held.add(session_id)
        self._count(session_id, endpoint, room)

    def _bound(self, load: Load, endpoint: str, concurrency: int | None) -> Refused | None:
        ahead = load.starting + len(self._reserved)
        if load.draining:
            return Refused(
                "draining", 5, "the server is shutting down", "Send the call again in a few seconds."
            )
        if not load.max_sessions:
            return Refused("no_resources", 5, NO_MACHINE, JOIN_ONE)
        if load.sessions + self.reserved >= load.max_sessions:
            return Refused(
                "too_many_sessions",
                10,
                f"{load.max_sessions} sessions are running, which is the most this server takes",
                "End some, or raise supervisor.max_sessions.",
            )
        if concurrency is not None and self._counts[endpoint] >= concurrency:
            return Refused(
                "endpoint_busy",
                5,
                f"{endpoint} runs {self._counts[endpoint]} sessions, which is the most it takes",
                "End some, or raise the endpoint's concurrency.",
            )
        if ahead >= load.max_starting + self._max_queued:
            return Refused(
                "queue_full",
                self.rate.wait_s(ahead),
                f"{ahead} sessions are starting or wait for their turn",
                "Send the call again later, or raise supervisor.max_queued or supervisor.max_starting.",
            )
        if (late := self._too_late(endpoint)) is not None:
            return late
        if (short := self._short(load, ahead)) is not None:
            return short
        if load.headroom_bytes is not None and load.headroom_bytes < load.session_bytes * (ahead + 1):
            return Refused(
                "no_memory",
                10,
                f"{load.headroom_bytes >> 20} MiB of memory are left above the reserve, and a session takes "
                f"about {load.session_bytes >> 20} MiB",
                "End some sessions, give the server more memory, or lower supervisor.reserve_memory.",
            )
        return None

    def _short(self, load: Load, ahead: int) -> Refused | None:
        """Not accepted, what would only wait until the system has more again."""
        if load.lacks:
            return Refused(
                "no_resources",
                5,
                f"the system has no more {' and '.join(load.lacks)}",
                " ".join(LACKS[one] for one in load.lacks),
            )
        if load.sessions_left is not None and load.sessions_left <= ahead + len(self._held):
            return Refused(
                "no_resources",
                10,
                "the open files that the system allows suffice for no more than those that run or start",
                LACKS["open files"],
            )
        return None

    def _too_late(self, endpoint: str) -> Refused | None:
        """Not accepted, what would only wait until it has waited too long."""
        if (pace := self._paces.get(endpoint)) is None:
            return None
        ahead = sum(1 for one in self._reserved if self._endpoints.get(one) == endpoint)
        wait_s, most_s = pace.wait_s(ahead), self._queue_s * IN_TIME
        if wait_s is None or wait_s <= most_s:
            return None
        return Refused(
            "queue_full",
            min(MOST_RETRY_S, max(1, math.ceil(wait_s - most_s))),
            f"{ahead} calls of {endpoint} wait for their start, for about {wait_s:.0f} s; "
            f"a call may wait {self._queue_s:g} s",
            "Send the call again later, or raise supervisor.queue_s or supervisor.max_starting.",
        )

    def _room_bound(self, room: str) -> Refused | None:
        """A room that sessions will need counts from their admission, so that no burst passes the bound."""
        rooms = self._room_load
        if rooms is None or not room or room in self._rooms:
            return None
        if len(self._rooms) + rooms.open_count < rooms.max_rooms:
            return None
        occupied = rooms.occupied()
        needed = len(self._rooms) + sum(1 for name in occupied if name not in self._rooms)
        if room in occupied or needed < rooms.max_rooms:
            return None
        return Refused(
            "too_many_rooms",
            10,
            f"somebody is in {needed} rooms, which are the most this server has open",
            "End some sessions, call into a room that is open, or raise rooms.max_open.",
        )

    def _count(self, session_id: SessionId, endpoint: str, room: str) -> None:
        if session_id not in self._endpoints:
            self._endpoints[session_id] = endpoint
            self._counts[endpoint] += 1
            if room:
                self._room_of[session_id] = room
                self._rooms[room] += 1
