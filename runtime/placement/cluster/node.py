"""A node: serves the sessions of this machine to fronts, over the engine.

It says twice a second what it can take, does what fronts ask, tells each of them what becomes of its
sessions, and ends those of a front that it has not been heard by for a lease. Runs in: the node's event
loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.announcing import slept_too
from runtime.placement.cluster.engine.connection import Engine
from runtime.placement.cluster.engine.rates import EVENTS, Pace
from runtime.placement.cluster.engine.subjects import Subjects
from runtime.placement.cluster.lease import Lease
from runtime.placement.cluster.metering import Meter
from runtime.placement.cluster.resync import Outbox
from runtime.placement.cluster.sent.installed import InstalledBundles
from runtime.placement.local import LocalPlacement
from runtime.session.events import Exited, Released, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionId
from runtime.settings import SupervisorSettings
from runtime.tasks import Tasks

FENCE_S: Final = 0.25
FORGET_S: Final = 3600.0
"""A front that is silent for so long wants its bundles no more."""
SAMPLE_S: Final = 1.0
MAX_FRONTS: Final = 64
TWICE: Final = "Was its state folder copied? Remove cluster/front in the copy, and start that server again."
MOVED_AT_ONCE: Final = 8
"""Sessions that are asked to move at the same time: the others' nodes have to start them."""
_log = get_logger("node")
_TOO_MANY: Final = say.Answer(code="too_many_fronts", message=f"{MAX_FRONTS} others have sessions here")
_SUPERSEDED: Final = say.Answer(
    code="superseded", message="another server has its name, and began later", cure=TWICE
)
_NOT_TAKEN: Final = say.Answer(code="not_taken", message="it takes no bundles: containers.deploy is false")


class _Front(msgspec.Struct):
    outbox: Outbox
    lease: Lease
    heard_at: float
    synced_turn: int = 0
    reads: bool = False
    held: dict[SessionId, int] = msgspec.field(default_factory=dict)
    is_fenced: bool = False
    boot: str = ""
    over: deque[str] = msgspec.field(default_factory=lambda: deque[str](maxlen=8))

    def lives(self, boot: str) -> bool:
        """Whether a boot is that of its life of now, or of a later one, which begins with that."""
        if boot in self.over:
            return False
        if boot and boot != self.boot:
            if self.boot:
                self.over.append(self.boot)
            self.boot, self.synced_turn = boot, 0  # its clock may have been set back
        return True


class NodeServer:
    """One node.

    Args:
        placement: What runs its sessions; it is started, and not closed, by somebody else.
        drain_s: Time that a session has for its end when it is moved.
        settings: How its sessions are started and ended.
        sent: Bundles that fronts send; None where none are taken.
        now: The clock of its leases.
    """

    def __init__(
        self,
        placement: LocalPlacement,
        engine: Engine,
        *,
        cluster: str,
        drain_s: float = 30.0,
        settings: SupervisorSettings | None = None,
        sent: InstalledBundles | None = None,
        now: Callable[[], float] = slept_too,
    ) -> None:
        self._placement, self._engine, self._now, self._drain_s = placement, engine, now, drain_s
        self._subjects = Subjects(cluster)
        self._node, self._boot = placement.node_id, placement.supervisor.boot
        self._sent = sent
        of = settings or SupervisorSettings()
        self._start_s = of.start_s + of.stop_s + of.term_s
        self._stop_s = max(of.stop_s, drain_s) + of.term_s
        self._fronts: dict[str, _Front] = {}
        self._tasks = Tasks(_log, "node.task_failed")
        self._acknowledged = asyncio.Event()
        self._beats = 0
        self._processors = len(os.sched_getaffinity(0))
        self._meter = Meter()
        self._pace = Pace(EVENTS)
        self._is_ending = False
        self.draining = False

    async def start(self) -> None:
        """Be heard, and take what comes."""
        await self._engine.listen(self._subjects.do(self._node), self._asked)
        await self._engine.listen(self._subjects.read(self._node), self._read, in_order=False)
        await self._engine.listen(self._subjects.front_beat(), self._front_beat)
        self._tasks.spawn(self._tell(), "node events")
        self._tasks.repeat(self._beat, say.BEAT_S, "node beats")
        self._tasks.repeat(self._fence, FENCE_S, "node fence")
        self._tasks.repeat(self._sample, SAMPLE_S, "node samples")

    async def drain(self, grace_s: float) -> None:
        """Take nothing more, and have every session go on elsewhere; returns when all are gone."""
        self._is_ending = self.draining = True
        await self._beat()
        await self._move_all(grace_s)

    async def _move_all(self, grace_s: float) -> None:
        turns = asyncio.Semaphore(MOVED_AT_ONCE)

        async def move(session: SessionId) -> None:
            async with turns:
                if self.draining:
                    await self._placement.stop(session, ExitReason.MOVED, grace_s)

        sessions = [session for front in self._fronts.values() for session in front.held]
        _log.info("node.draining", node_id=self._node, sessions=len(sessions))
        await asyncio.gather(*map(move, sessions))

    async def settle(self, timeout_s: float) -> None:
        """Return when every end was acknowledged, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while any(len(front.outbox) for front in self._fronts.values()):
                    self._acknowledged.clear()
                    await self._acknowledged.wait()
        except TimeoutError:
            pass

    async def leave(self) -> None:
        """Say that this life is over: nothing is left, and nobody needs to wait for it."""
        await self._tasks.aclose()
        await self._beat(leaving=not any(front.held for front in self._fronts.values()))

    async def aclose(self) -> None:
        """Take and say nothing more."""
        await self._tasks.aclose()

    # ---- what fronts say

    async def _front_beat(self, _: str, data: bytes) -> None:
        beat: say.FrontBeat = say.decoded(say.FrontBeat, data)
        front = self._front(beat.front)
        if front is None or beat.boot in front.over:
            return
        front.heard_at = self._now()
        front.reads = beat.reads
        heard = beat.heard.get(self._node)
        if heard is not None and heard.boot == self._boot:
            front.lease.heard(heard.sent, beat.lease_s)
            front.is_fenced = False
            front.outbox.acknowledged(heard.taken)
            self._acknowledged.set()

    async def _asked(self, _: str, data: bytes) -> bytes | None:
        ask: say.Ask = say.decoded(say.Ask, data)
        match ask:
            case say.Stop():
                answer = self._stop(ask)
            case say.Drain():
                answer = self._drain(on=ask.on)
            case say.Surface():
                answer = _with(self._served())
            case _:
                answer = await self._asked_by(self._front(ask.front), ask)
        return say.encoded(answer)

    async def _asked_by(self, front: _Front | None, ask: say.Place | say.Sync | say.Want) -> say.Answer:
        if front is None:
            return _TOO_MANY
        if not front.lives(ask.boot):
            return _SUPERSEDED
        match ask:
            case say.Place():
                return await self._place(front, ask)
            case say.Sync():
                front.synced_turn = max(front.synced_turn, ask.turn)
                return _with(front.outbox.synced(front.held.items()))
            case say.Want():
                return _NOT_TAKEN if self._sent is None else self._sent.want(ask)

    async def _place(self, front: _Front, ask: say.Place) -> say.Answer:
        session = ask.spec.session_id
        held = front.held.get(session)
        if held == ask.generation:
            return say.Answer()
        if held is not None:
            return say.Answer(code="busy", message="the attempt before it is not released yet")
        if ask.turn < front.synced_turn or (session, ask.generation) in front.outbox:
            return say.Answer(code="stale", message="it came after a later question, or once more")
        if front.lease.is_over(self._now()):
            return say.Answer(code="not_heard", message="no beat of this node was acknowledged yet")
        if ask.bundle and not (self._sent and self._sent.takes(ask.spec.endpoint, ask.bundle)):
            return say.Answer(code="not_here", message="it has not loaded its newest code")
        if why := self._full():
            return say.Answer(code="node_full", message=why)
        front.held[session] = ask.generation
        try:
            await self._placement.place(ask.spec, ask.generation)
        except BaseException as error:
            front.held.pop(session, None)
            if isinstance(error, RuntimeServiceError):
                return say.Answer(code=error.code, message=error.message, cure=error.cure)
            raise
        return say.Answer()

    def _stop(self, ask: say.Stop) -> say.Answer:
        for front in self._fronts.values():
            if front.held.get(ask.session) == ask.generation:
                stop = self._placement.stop(
                    ask.session, ExitReason(ask.reason), ask.grace_s, finish_s=ask.finish_s
                )
                self._tasks.spawn(stop, f"stop {ask.session}")
        return say.Answer()

    def _drain(self, *, on: bool) -> say.Answer:
        if self._is_ending:
            return say.Answer(code="ending", message="it ends, and takes nothing any more")
        if on and not self.draining:
            self._tasks.spawn(self._move_all(self._drain_s), "drain")
        self.draining = on
        self._tasks.spawn(self._beat(), "node beat")
        return say.Answer()

    async def _read(self, _: str, data: bytes) -> bytes | None:
        ask: say.Read = say.decoded(say.Read, data)
        if ask.what not in say.READS:
            return say.encoded(say.Answer(code="unknown", message=f"nobody answers {ask.what[:40]!r}"))
        return say.encoded(_with(await getattr(self._placement, ask.what)(ask.session, **ask.arguments)))

    # ---- what it says

    async def _tell(self) -> None:
        async for event in self._placement.events():
            for name, front in list(self._fronts.items()):
                generation = front.held.get(event.session_id)
                if generation is None:
                    continue
                one = _numbered(front.outbox, generation, event)
                if isinstance(event, Released):
                    del front.held[event.session_id]
                if one is not None:
                    subject, data = self._subjects.events(name, self._node), say.encoded(one)
                    if self._pace.allows(len(data), self._now()):  # else it is missed, and asked for
                        await self._engine.publish(subject, data)

    async def _beat(self, *, leaving: bool = False) -> None:
        self._beats += 1
        beat = say.Beat(
            node=self._node,
            boot=self._boot,
            number=self._beats,
            sent=self._now(),
            capacity=self._placement.capacity(),
            processors=self._processors,
            draining=self.draining,
            load=self._meter.read(),
            leaving=leaving,
            wants=None if self._sent is None else self._sent.marks,
            surface=self._served().digest,
            told={name: front.outbox.number for name, front in self._fronts.items()},
            start_s=self._start_s,
            stop_s=self._stop_s,
        )
        await self._engine.publish(self._subjects.beat(self._node), say.encoded(beat))

    async def _sample(self) -> None:
        if any(front.reads for front in self._fronts.values()):
            sessions = [session for front in self._fronts.values() for session in front.held]
            found = {session: self._placement.glance(session) for session in sessions}
            await self._engine.publish(self._subjects.samples(self._node), say.encoded(found))

    def _served(self) -> say.Served:
        bundles, endpoints = self._placement.bundles(), self._placement.endpoints()
        kept = [(one.name, one.generation, one.state, one.error, one.digest) for one in bundles]
        sent = [] if self._sent is None else self._sent.have()
        digest = hashlib.sha256(say.encoded((kept, endpoints, sent))).hexdigest()[:16]
        enforcement = self._placement.enforcement()
        return say.Served(
            digest=digest, bundles=bundles, endpoints=endpoints, enforcement=enforcement, sent=sent
        )

    # ---- leases

    async def _fence(self) -> None:
        now = self._now()
        for name, front in self._fronts.items():
            if front.held and not front.is_fenced and front.lease.is_over(now):
                front.is_fenced = True
                _log.error("node.fenced", node_id=self._node, front=name, sessions=len(front.held))
                for session in list(front.held):
                    stop = self._placement.stop(session, ExitReason.NODE_LOST, 0)
                    self._tasks.spawn(stop, f"fence {session}")
            if self._sent and name in self._sent.marks and now - front.heard_at >= FORGET_S:
                _log.info("node.front_forgotten", front=name)
                self._sent.forget(name)

    def _front(self, name: str) -> _Front | None:
        """What is known of a front; None for one too many."""
        known = self._fronts.get(name)
        if known is None:
            while len(self._fronts) >= MAX_FRONTS:
                idle = [one for one, front in self._fronts.items() if not front.held]
                if not idle:
                    return None
                gone = min(idle, key=lambda one: self._fronts[one].heard_at)
                del self._fronts[gone]
                if self._sent:
                    self._sent.forget(gone)  # the fence looks at those alone that are known
            known = self._fronts[name] = _Front(Outbox(self._boot), Lease(), heard_at=self._now())
        return known

    def _full(self) -> str:
        load = self._placement.capacity()
        if self.draining or load.draining:
            return "it takes nothing more"
        if load.sessions >= load.max_sessions:
            return f"it runs {load.sessions} of {load.max_sessions} sessions"
        if load.headroom_bytes is not None and load.headroom_bytes < load.session_bytes:
            return "it has no memory for one more"
        return "" if not load.lacks else f"its system has no more {', '.join(load.lacks)}"


def _numbered(outbox: Outbox, generation: int, event: SessionEvent) -> say.Told | None:
    try:
        return outbox.put(generation, event)
    except (ValueError, TypeError, OverflowError):  # that it ended is told, whatever else
        _log.exception("node.event_not_told", session_id=event.session_id, kind=type(event).__name__)
        if not isinstance(event, Exited):
            return None
        exit = replace(event.exit, message=ascii(event.exit.message))
        return outbox.put(generation, Exited(session_id=event.session_id, at=event.at, exit=exit))


def _with(body: Any) -> say.Answer:
    return say.Answer(body=msgspec.Raw(say.encoded(body)))
