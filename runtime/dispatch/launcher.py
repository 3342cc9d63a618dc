"""Start sessions: at once while there is room, in turn when there is not, and again after a restart's delay.

A session is in one of four places here, or in none: held while its bundle is being loaded, its turn in the
queue, its wait for a restart, or the placement.  All but the last are over when it is started, cancelled or
has waited too long, so that every accepted session runs or has an end.  Runs in the front's event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from runtime.clock import Clock
from runtime.dispatch.session_registry import SessionRegistry
from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger
from runtime.placement.contract import Capacity, Placement, RelayPort
from runtime.session.admission import Admission
from runtime.session.calls.start_queue import StartQueue, Turn, share_of
from runtime.session.events import Exited, Ready, Released, SessionEvent, Stopping
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import SessionRecord
from runtime.session.spec import SessionId, SessionSpec

FRESH_S: Final = 1.0
"""A start younger than this is taken to be computing; an older one that is not ready waits for somebody."""

_log = get_logger("launcher")


def _is_resumed(record: SessionRecord) -> bool:
    """It ran in an earlier run of the server, and its next attempt has not begun."""
    return record.last_exit is not None and record.last_exit.reason.row.whose == "server"


class OwnRooms(Protocol):
    """The embedded room server, as far as a call needs it."""

    def token(self, room: str, name: str, *, role: str = "agent", scope: dict[str, Any] | None = None) -> str:
        """A participant token for one of its rooms."""
        ...


class _Waiting(msgspec.Struct):
    """A session between two attempts: its delay must pass, and its last process be released."""

    record: SessionRecord
    timer: asyncio.TimerHandle
    is_due: bool = False
    is_released: bool = False


class Launcher:
    """The way from an accepted record to the placement.

    Args:
        room_url: The websocket address at which a worker reaches an embedded room.
        queue_s: How long a session may wait for its turn.
        refused: Why a session must not start (its input is parked): reason and sentence; None when it may.
    """

    def __init__(
        self,
        *,
        placement: Placement,
        registry: SessionRegistry,
        admission: Admission,
        clock: Clock,
        rooms: OwnRooms,
        room_url: Callable[[str], str],
        queue_s: float,
        refused: Callable[[SessionRecord], tuple[ExitReason, str] | None],
    ) -> None:
        self._placement, self._registry, self._admission = placement, registry, admission
        self._clock, self._rooms, self._room_url = clock, rooms, room_url
        self._queue_s, self._refused = queue_s, refused
        self._queue = StartQueue()
        self._relays: dict[SessionId, RelayPort] = {}
        self._records: dict[SessionId, SessionRecord] = {}
        self._held: dict[SessionId, SessionRecord] = {}
        self._waived: set[SessionId] = set()  # of those, the ones that may wait for days, and have no slot
        self._waiting: dict[SessionId, _Waiting] = {}
        self._patient: set[SessionId] = set()
        self._starting: dict[SessionId, str] = {}
        self._started_at: dict[SessionId, float] = {}  # of those that start, in the order of their starts
        self._wake = asyncio.Event()
        self._draining = False

    @property
    def queued(self) -> int:
        """Sessions that wait for their turn."""
        return len(self._queue) + len(self._held)

    @property
    def kept(self) -> list[SessionId]:
        """Sessions that wait for their turn; after `drain`, those that the next run of the server starts."""
        return [*self._held, *self._records]

    @property
    def restarting(self) -> int:
        """Sessions that wait for their next attempt."""
        return len(self._waiting)

    # ---- in

    async def submit(self, record: SessionRecord, relay: RelayPort | None = None) -> None:
        """Start a session now if nobody waits and there is room; otherwise it gets its turn.

        Raises:
            RuntimeServiceError: It was tried at once and cannot be placed; its record is closed.
        """
        endpoint = record.spec.endpoint
        load = self._placement.capacity()
        starting = sum(1 for other in self._starting.values() if other == endpoint)
        has_room = load.starting < load.max_starting and starting < share_of(load.max_starting)
        if not self._queue and has_room and self._rest_s(load) <= 0:
            await self._start(record, relay)
        else:
            self.enqueue(record, relay)

    def enqueue(
        self, record: SessionRecord, relay: RelayPort | None = None, *, is_taken_over: bool = False
    ) -> None:
        """Give a session its turn; one whose bundle is being loaded for the first time gets it after that.

        Args:
            is_taken_over: It is of an earlier run.  Those come all at once, and nobody waits for the answer
                to a call: they wait for as long as it takes.
        """
        session_id = record.spec.session_id
        if is_taken_over:
            self._patient.add(session_id)
        if relay is not None:
            self._relays[session_id] = relay
        if self._placement.awaits(record.spec.endpoint):
            self._held[session_id] = record
            return
        self._records[session_id] = record
        queue_s = math.inf if session_id in self._patient else self._queue_s
        self._queue.push(Turn(session_id, record.spec.endpoint, self._clock.now() + queue_s))
        self._wake.set()

    def bundles_changed(self) -> None:
        """Give their turns to those whose bundle is loaded now, or is known not to be."""
        held, self._held = self._held, {}
        for session_id, record in held.items():
            if session_id in self._waived and not self._regained(record):
                self._held[session_id] = record
            else:
                self.enqueue(record)

    def _regained(self, record: SessionRecord) -> bool:
        """Whether one that waits for its bundle to be mended has a slot again, now that it is."""
        spec = record.spec
        if self._is_broken(spec.bundle):
            return False
        if not self._admission.regain(spec.session_id, self._placement.capacity(), endpoint=spec.endpoint):
            return False
        self._waived.discard(spec.session_id)
        return True

    def again(self, record: SessionRecord, delay_s: float) -> None:
        """Start a session once more, `delay_s` from now at the earliest and after its process is released."""
        session_id = record.spec.session_id
        timer = asyncio.get_running_loop().call_later(delay_s, self._due, session_id)
        self._waiting[session_id] = _Waiting(record, timer)
        self._admission.hold(session_id)

    def cancel(self, session_id: SessionId) -> bool:
        """Start it no more; False when it does not wait here."""
        waiting = self._waiting.pop(session_id, None)
        if waiting is not None:
            waiting.timer.cancel()
        queued = self._queue.remove(session_id)
        held = self._held.pop(session_id, None)
        self._records.pop(session_id, None)
        self._relays.pop(session_id, None)
        self._patient.discard(session_id)
        self._waived.discard(session_id)
        return queued or waiting is not None or held is not None

    def drain(self) -> list[SessionId]:
        """Start nothing more; the sessions that waited for a restart or have a caller's socket, cancelled.

        The others stay accepted in the journal: the next run of the server starts them.
        """
        self._draining = True
        ended = [*self._waiting, *self._relays]
        waits = {**self._held, **self._records}
        ended += [sid for sid, record in waits.items() if record.last_exit is not None]
        ended = list(dict.fromkeys(ended))
        for session_id in ended:
            self.cancel(session_id)
        return ended

    def close(self) -> None:
        """Forget every timer."""
        for waiting in self._waiting.values():
            waiting.timer.cancel()

    def heard(self, event: SessionEvent) -> None:
        """Something happened to a session: somebody may be next."""
        session_id = event.session_id
        if isinstance(event, Ready | Stopping | Exited) and (path := self._starting.pop(session_id, "")):
            self._started_at.pop(session_id, None)
            self._admission.start_over(path, self._clock.now(), waiting=self._queue.waits(path))
        if isinstance(event, Released) and (waiting := self._waiting.get(session_id)) is not None:
            waiting.is_released = True
            self._turn_of(waiting)
        if self._waived and isinstance(event, Exited):
            self.bundles_changed()  # there is a slot more
        if self._queue:
            self._wake.set()

    # ---- out

    async def run(self) -> None:
        """Start whoever's turn it is, for ever."""
        while True:
            self._wake.clear()
            try:
                started = await self._take_turn()
            except Exception:  # noqa: BLE001 - one that cannot be started must not stop the others' turns
                _log.exception("launcher.turn_failed")
                started = False
            if started:
                await asyncio.sleep(0)  # a storm of starts must not keep the loop from everybody else
                continue
            expiry = None if self._draining else self._queue.next_expiry()
            timeout_s = None if expiry is None else max(0.0, expiry - self._clock.now())
            if timeout_s is not None and (rest_s := self._rest_s(self._placement.capacity())) > 0:
                timeout_s = min(timeout_s, rest_s)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _take_turn(self) -> bool:
        if not self._draining:  # those that wait then are the next run's
            for turn in self._queue.expired(self._clock.now()):
                self._too_late(turn.session_id)
        record = self._next()
        if record is None:
            return False
        try:
            await self._start(record, self._relays.pop(record.spec.session_id, None))
        except RuntimeServiceError as error:
            _log.warning("session.not_started", session_id=record.spec.session_id, error=str(error))
        return True

    def _next(self) -> SessionRecord | None:
        if self._draining or not self._queue:
            return None
        load = self._placement.capacity()
        if self._rest_s(load) > 0:
            return None
        turn = self._queue.pop(
            starting=Counter(self._starting.values()), total=load.starting, max_starting=load.max_starting
        )
        return None if turn is None else self._records.pop(turn.session_id)

    def _rest_s(self, load: Capacity) -> float:
        """Seconds until one more start does not make too many fresh ones; 0 when it would not now."""
        if len(self._started_at) < load.fresh:
            return 0.0
        times = list(self._started_at.values())
        return max(0.0, times[-max(1, load.fresh)] + FRESH_S - self._clock.now())

    async def _start(self, record: SessionRecord, relay: RelayPort | None) -> None:
        spec = record.spec
        refused = self._refused(record)
        if refused is not None:
            self._registry.end(spec.session_id, *refused)
            return
        self._starting[spec.session_id] = spec.endpoint
        self._started_at[spec.session_id] = self._clock.now()
        try:
            await self._placement.place(self._complete(spec), record.generation, relay)
        except BaseException as error:
            self._starting.pop(spec.session_id, None)
            self._started_at.pop(spec.session_id, None)
            if _is_resumed(record) and self._is_broken(spec.bundle):
                self._held[spec.session_id] = record  # what ran before waits until that is mended
                self._waived.add(spec.session_id)
                self._admission.waive(spec.session_id)
                return
            message = error.message if isinstance(error, RuntimeServiceError) else "It could not be placed"
            self._registry.end(spec.session_id, ExitReason.IMPORT_ERROR, message)
            raise
        self._patient.discard(spec.session_id)
        self._admission.settle(spec.session_id, accepted=True)

    def _is_broken(self, name: str) -> bool:
        return any(one.name == name and one.state == "failed" for one in self._placement.bundles())

    def _complete(self, spec: SessionSpec) -> SessionSpec:
        # The record keeps what the caller sent.  Our own address and tokens are made anew for each attempt: a
        # restarted server may listen elsewhere, and a token that is not written down cannot be read.
        if spec.relay or (spec.room_url and spec.token):
            return spec
        token = spec.token
        if not token and not spec.room_url:
            scope = next(
                (e.permissions for e in self._placement.endpoints() if e.path == spec.endpoint), None
            )
            token = self._rooms.token(spec.room, spec.identity, role="agent", scope=scope)
        return replace(spec, room_url=spec.room_url or self._room_url(spec.room), token=token)

    def _due(self, session_id: SessionId) -> None:
        waiting = self._waiting.get(session_id)
        if waiting is not None:
            waiting.is_due = True
            self._turn_of(waiting)

    def _turn_of(self, waiting: _Waiting) -> None:
        if waiting.is_due and waiting.is_released:
            del self._waiting[waiting.record.spec.session_id]
            waiting.record.generation += 1
            self.enqueue(waiting.record)

    def _too_late(self, session_id: SessionId) -> None:
        self._records.pop(session_id, None)
        self._relays.pop(session_id, None)
        message = f"it waited {self._queue_s:g} s for its start while others were starting"
        self._registry.end(session_id, ExitReason.START_ERROR, message)
