"""From a call to a session: find the endpoint, admit, write down, launch; the caller is answered after that.

What becomes of the session comes back as the placement's events and is the session registry's business.  Runs
in the front's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from runtime.clock import Clock
from runtime.dispatch.fate import Callers, Takeover, attempts_of, comes_back, may_run_still, never_ran
from runtime.dispatch.launcher import Launcher, OwnRooms
from runtime.dispatch.recovery import Recovery
from runtime.dispatch.session_registry import SessionRegistry
from runtime.dispatch.takeover import TakeoverRun
from runtime.errors import BundleImportFailed
from runtime.logs import get_logger
from runtime.placement.contract import Capacity, EndpointInfo, Placement, RelayPort
from runtime.session.admission import Admission, Admitted, Duplicate, Refused, RoomLoad
from runtime.session.calls.call_ids import REMEMBER_S, CallId
from runtime.session.events import Exited
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import not_served
from runtime.session.journal.journal import Journal
from runtime.session.record import SessionRecord
from runtime.session.restart import RestartPolicy, wants
from runtime.session.spec import SessionId, SessionSpec, new_session_id
from runtime.settings import SupervisorSettings
from runtime.tasks import Tasks
from runtime.telemetry.session_spans import SessionSpans
from runtime.wire.webhook import RoomCall

_log = get_logger("dispatch")


class Accepted(msgspec.Struct, frozen=True):
    """The call is a session: written down, and started or in its turn."""

    session_id: SessionId


Outcome = Accepted | Duplicate | Refused


class Dispatcher:
    """Turns calls into sessions, and ends them.

    Args:
        room_url: The websocket address at which a worker reaches an embedded room.
        settings: Bounds of the queue, restarts and quarantine.
        callers: What whoever called a session of an earlier run wants of it now.
        last_end: How the server before this one ended, if its init knows.
        spans: Traces what becomes of calls.

    Attributes:
        launcher: Where accepted sessions wait for their start or restart.
        recovery: Restarts and quarantine.
    """

    def __init__(
        self,
        *,
        placement: Placement,
        journal: Journal,
        registry: SessionRegistry,
        clock: Clock,
        rooms: OwnRooms,
        room_url: Callable[[str], str],
        settings: SupervisorSettings | None = None,
        room_load: RoomLoad | None = None,
        callers: Callers | None = None,
        last_end: str = "",
        spans: SessionSpans | None = None,
    ) -> None:
        settings = settings or SupervisorSettings()
        self._takeover = Takeover.of(settings, callers or Callers())
        self._placement, self._journal, self._registry = placement, journal, registry
        self._clock, self._last_end = clock, last_end
        self.spans = spans or SessionSpans(clock)
        self._admission = Admission(max_queued=settings.max_queued, queue_s=settings.queue_s, rooms=room_load)
        self.recovery = Recovery(settings, journal=journal, registry=registry, clock=clock)
        self.launcher = Launcher(
            placement=placement,
            registry=registry,
            admission=self._admission,
            clock=clock,
            rooms=rooms,
            room_url=room_url,
            queue_s=settings.queue_s,
            refused=self.recovery.refused,
        )
        self._ending: set[SessionId] = set()
        registry.closed.append(self._closed)
        self._pending: dict[SessionId, asyncio.Task[Accepted]] = {}
        self._tasks = Tasks(_log, "dispatch.task_failed")
        self.draining = False

    # ---- life

    async def start(self) -> None:
        """Take over what the journal holds of earlier runs, then follow the placement's events.

        See `runtime.dispatch.fate` for what becomes of them.

        Raises:
            JournalUnusable: The journal cannot be read.
        """
        await self.recovery.start()
        self._registry.book.restore(await self._journal.load_usage())
        self._admission.ids.restore(await self._journal.load_ids(since=self._clock.wall() - REMEMBER_S))
        records = await self._journal.load()
        adopted = await self._placement.adopt(
            [attempt for one in records if may_run_still(one) for attempt in attempts_of(one)]
        )
        self._tasks.spawn(self._follow(), "placement events")
        taken = TakeoverRun(
            self._takeover,
            journal=self._journal,
            registry=self._registry,
            admission=self._admission,
            launcher=self.launcher,
            clock=self._clock,
            last_end=self._last_end,
        )
        taken.run(records, adopted)
        self._tasks.spawn(self.launcher.run(), "launcher")

    async def aclose(self, *, settle_s: float = 0.0) -> None:
        """Stop following events; sessions are the placement's business.

        Args:
            settle_s: How long ends that happened may take to be told, so that they stand in the journal.
        """
        try:
            async with asyncio.timeout(settle_s):
                for record in self._registry.live():
                    if record.state != "accepted":
                        await self._registry.wait(record.spec.session_id, until="exited", timeout_s=None)
        except TimeoutError:
            pass
        self.launcher.close()
        await self._tasks.aclose()

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls and return when no session is left.

        What was accepted and is not ready by then stays accepted, for the next run of the server.
        """
        self.draining = True
        self._registry.announce("server.draining", {"grace_s": grace_s})
        if self._pending:  # admitted before: they are placed first, so that the placement ends them too
            await asyncio.wait(set(self._pending.values()))
        for session_id in self.launcher.drain():
            message = "the server was shut down before it could start"
            record = self._registry.record(session_id)
            record.is_due = self._takeover.resumes and comes_back(record.spec)
            self._registry.end(session_id, ExitReason.DRAINED, message)
        for session_id in self.launcher.kept:
            self._registry.hand_over(session_id)
        await self._placement.drain(grace_s)

    # ---- calls

    async def call(
        self,
        path: str,
        call: RoomCall,
        *,
        webhook_id: str = "",
        request_id: str = "",
        traceparent: str = "",
        relay: RelayPort | None = None,
    ) -> Outcome:
        """Make a session of a call.  Cancelling the caller does not undo it.

        Args:
            webhook_id: The caller's id of this call; the same id at the same endpoint is the same session.
            relay: The caller's socket, which then is the room connection.

        Raises:
            EndpointNotFound: No bundle serves `path`.
            BundleImportFailed: The bundle that serves it cannot run.
            JournalUnusable: The call could not be written down; nothing was started.
        """
        endpoint = self._endpoint(path)
        while (session_id := new_session_id()) in self._registry:
            pass
        traceparent, tracing = self.spans.tracing(traceparent)
        spec = SessionSpec(
            session_id=session_id,
            bundle=endpoint.bundle,
            endpoint=path,
            identity=endpoint.identity,
            room=call.room_name,
            room_url=call.room_url,
            token=call.token,
            arguments=call.arguments,
            relay=relay is not None,
            webhook_id=webhook_id,
            request_id=request_id,
            accepted_at=self._clock.wall(),
            traceparent=traceparent,
            tracing=tracing,
            limits=endpoint.limits,
            limit_sources=endpoint.limit_sources,
            restart=endpoint.restart,
        )
        decision = self._admission.admit(
            session_id,
            self.capacity(),
            endpoint=path,
            called=CallId.of(spec),
            concurrency=endpoint.limits.concurrency,
            room=spec.own_room,
        )
        match decision:
            case Refused():
                _log.warning("admission.refused", code=decision.code, endpoint=path)
                return decision
            case Duplicate():
                first = self._pending.get(decision.session_id)
                if first is not None:  # the first one's fate is this one's: neither is answered too early
                    await asyncio.shield(first)
                return self._repeated(decision, path, webhook_id)
            case Admitted():
                pass
        parked = self.recovery.parked(spec)
        if parked is not None:
            self._admission.settle(session_id, accepted=False)
            _log.warning("admission.refused", code="quarantined", endpoint=path, hash=parked.hash)
            return Refused("quarantined", None, parked.sentence, parked.cure)
        # A task of its own: a caller that hangs up now must not leave a row that was never placed.
        task = asyncio.create_task(self._accept(spec, relay), name=f"accept {session_id}")
        self._pending[session_id] = task
        task.add_done_callback(self._accepted)
        return await asyncio.shield(task)

    def _repeated(self, decision: Duplicate, endpoint: str, webhook_id: str) -> Duplicate | Refused:
        """An id came a second time: with the same call, or with another one, which would be lost silently."""
        if decision.is_same:
            return decision
        _log.warning("admission.refused", code="id_reused", endpoint=endpoint)
        return Refused(
            "id_reused",
            None,
            f"the id {webhook_id[:100]!r} is that of {decision.session_id}, which was called otherwise",
            "Send a new id with a new call; the same id is for sending the same call again.",
        )

    async def _accept(self, spec: SessionSpec, relay: RelayPort | None) -> Accepted:
        record = SessionRecord(spec=spec, generation=1)
        try:
            await self._journal.accept(record)
            self._registry.open(record)
            self.spans.accepted(spec)
            try:
                await self.launcher.submit(record, relay)
            except Exception:  # not a cancellation: that leaves the row to the next run, and so the id
                self._journal.free_id(spec)
                raise
        except BaseException:
            self._admission.settle(spec.session_id, accepted=False)
            raise
        finally:
            self._pending.pop(spec.session_id, None)
        return Accepted(spec.session_id)

    def _accepted(self, task: asyncio.Task[Accepted]) -> None:
        if not task.cancelled():
            task.exception()  # raised to the caller; when that one is gone, there is nobody to tell

    def _endpoint(self, path: str) -> EndpointInfo:
        endpoints = self._placement.endpoints()
        claims = [one for one in endpoints if one.path == path]
        if not claims:
            raise not_served(path, endpoints)
        # Of several that claim it, the one that has it.
        endpoint = next((one for one in claims if one.state != "failed"), claims[0])
        if endpoint.state == "failed":
            raise BundleImportFailed(
                f"the bundle {endpoint.bundle} cannot run: {endpoint.error or 'its import failed'}",
                cure="GET /workers shows its state; mend it and call again.",
            )
        return endpoint

    # ---- ends

    async def stop(
        self, session_id: str, *, grace_s: float | None = None, finish_s: float | None = None
    ) -> None:
        """End a session and return once it has.  Ended already: nothing happens.

        Cancelling the caller does not cancel the stop.

        Args:
            finish_s: See `Placement.stop`.

        Raises:
            SessionNotFound: There is no record of it.
        """
        record = self._registry.record(session_id)
        if record.exit is None and not self._end_waiting(record, ExitReason.STOPPED):
            stop = self._placement.stop(
                record.spec.session_id, ExitReason.STOPPED, grace_s, finish_s=finish_s
            )
            await asyncio.shield(self._tasks.spawn(stop, f"stop {session_id}"))
            await self._registry.wait(session_id, until="exited", timeout_s=5.0)

    def end_room(self, room: str) -> int:
        """Ask all sessions of a room to end; how many there were."""
        records = [record for record in self._registry.live() if record.spec.room == room]
        for record in records:
            session_id = record.spec.session_id
            if not self._end_waiting(record, ExitReason.ROOM_ENDED):
                stop = self._placement.stop(session_id, ExitReason.ROOM_ENDED)
                self._tasks.spawn(stop, f"room ended {session_id}")
        return len(records)

    def _end_waiting(self, record: SessionRecord, reason: ExitReason) -> bool:
        """End a session that has no process now; False when the placement must, and it starts no more."""
        session_id = record.spec.session_id
        self._ending.add(session_id)
        if not self.launcher.cancel(session_id):
            return False
        between = "its restart" if record.last_exit is not None else "its start"
        who = "an operator stopped it" if reason is ExitReason.STOPPED else "its room ended"
        self._registry.end(session_id, reason, f"{who} while it waited for {between}")
        return True

    def capacity(self) -> Capacity:
        """The placement's capacity, closed while this server drains."""
        load = self._placement.capacity()
        return replace(load, draining=True) if self.draining else load

    @property
    def starts_per_s(self) -> float | None:
        """How fast sessions come to start; None before that is known."""
        return self._admission.rate.per_s

    # ---- tasks

    async def _follow(self) -> None:
        async for event in self._placement.events():
            try:
                if isinstance(event, Exited) and event.session_id in self._registry:
                    self._exited(event)
                else:
                    self._registry.take(event)
                if event.session_id in self._registry:
                    self.spans.heard(event, self._registry.record(event.session_id))
                self.launcher.heard(event)
            except Exception:  # noqa: BLE001 - one event that cannot be told must not end all telling
                _log.exception(
                    "dispatch.event_failed", kind=type(event).__name__, session_id=event.session_id
                )

    def _exited(self, event: Exited) -> None:
        record = self._registry.record(event.session_id)
        may_restart = not self.draining and event.session_id not in self._ending
        told, again = self.recovery.decide(record, event, may_restart=may_restart)
        is_drained = told.exit.reason is ExitReason.DRAINED
        if is_drained and never_ran(record) and event.session_id not in self._ending:
            self._registry.hand_over(event.session_id, told)
        elif again is None:
            # What fails while the server ends would have been started again, had it gone on.
            ends_with_us = is_drained or (
                self.draining
                and event.session_id not in self._ending
                and wants(RestartPolicy(record.spec.restart), told.exit)
            )
            record.is_due = ends_with_us and self._takeover.resumes and comes_back(record.spec)
            self._registry.take(told)
        else:
            self._registry.restarting(event, again)
            self.launcher.again(record, again.delay_s)

    def _closed(self, record: SessionRecord) -> None:
        self.spans.closed(record)
        self._admission.ended(record.spec.session_id)
        self._ending.discard(record.spec.session_id)
