"""A front follows its nodes: who is there, what became of the sessions that it gave them, who was lost.

What a node said it has is asked for again when a number is missing, when the node or the engine came back, or
when an answer did not come: a session is never given to a second node on a guess.  Runs in: the front's event
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from runtime.clock import Clock
from runtime.errors import RemoteProtocolError
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.attempts.adoption import Adoption
from runtime.placement.cluster.attempts.ends import Ends
from runtime.placement.cluster.engine import rates
from runtime.placement.cluster.engine.connection import Engine, NoAnswer, NobodyThere
from runtime.placement.cluster.engine.hearing import Hearing
from runtime.placement.cluster.engine.subjects import Subjects, node_of
from runtime.placement.cluster.liveness import MARGIN_S, Liveness, NodeState, Verdict
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.nodes import FrontBeats, Node, believed
from runtime.placement.cluster.resync import MANY, Came, Holding, Holdings
from runtime.placement.contract import Attempt
from runtime.session.events import Exited, Placed, Released, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import Vitals, served
from runtime.session.numbers import is_finite
from runtime.session.spec import SessionId
from runtime.tasks import Tasks

ASK_S: Final = 2.0
TICK_S: Final = 0.25
ASK_AGAIN_S: Final = 0.4
"""A node is asked the same no sooner: what it answers may be much, and what it tells may have it asked."""
READING_S: Final = 3.0  # so long after somebody looked, nodes tell the figures of all their sessions
SYNCS_AT_ONCE: Final = 8  # their answers have to fit into what an engine keeps for a connection
MAX_NODES: Final = 1000
MAX_BEAT_BYTES: Final = 64 << 10
_MOST_SAID: Final = 500
_RUNS: Final = ("Placed", "Started", "Ready")
_log = get_logger("cluster")


class Follower:
    """What one front knows of its nodes and their sessions.

    Args:
        front: The name of this front, which no other has, and which it keeps over its lives.
        lease_s: How long a node runs sessions without being heard.
        memory: Which nodes there were, and which of them are drained.
        changed: Called when what is served may have changed.
        admitted: The names of nodes that the engine lets in, as far as that is known here.

    Attributes:
        nodes: By name; those that are lost as well, until they are forgotten.
        held: The attempts that nodes have, or may have.
        events: What happened, in order.  As bounded as that of one machine.
        ends: How they end.
        looked_at: When somebody last asked for the figures of all sessions.
        judged: Called, in order, with each verdict and how many attempts that node had.
        beaten: Called, in order, with each node that was heard.
        taken: Called, in order, with each event of a session and its node.
        wanted: The ids of bundles that nodes are to have of this front.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        cluster: str,
        front: str,
        lease_s: float,
        clock: Clock,
        memory: Memory,
        changed: Callable[[], None],
        admitted: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._engine, self._clock, self._changed = engine, clock, changed
        self.subjects, self.front, self.memory = Subjects(cluster), front, memory
        self.live = Liveness(lease_s=lease_s, now=clock.now())
        self.nodes: dict[str, Node] = {}
        self.held = Holdings()
        self.events: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self.looked_at = -READING_S
        self.judged: list[Callable[[Verdict, int], None]] = []
        self.beaten: list[Callable[[str, Node], None]] = []
        self.taken: list[Callable[[str, SessionEvent], None]] = []
        self.wanted: Container[str] = ()
        self._tasks = Tasks(_log, "cluster.task_failed")
        self.ends = Ends(
            self.held,
            self.events,
            clock=clock,
            live=self.live,
            nodes=self.nodes,
            ask=self.ask,
            sync=self.sync,
            tasks=self._tasks,
        )
        self._syncs = asyncio.Semaphore(SYNCS_AT_ONCE)
        self.hearing = Hearing(
            engine, clock, self._tasks, lambda: {*self.nodes, *memory.names, *admitted()}, self.sync
        )
        self._adoption = Adoption(memory.names, until=clock.now() + lease_s + MARGIN_S)
        self._turn = int(clock.wall() * 1000)  # goes on where an earlier life of this front ended
        self._beats = FrontBeats(
            engine,
            self.subjects.front_beat(front),
            front=front,
            lease_s=lease_s,
            nodes=self.nodes,
            reads=lambda: clock.now() - self.looked_at < READING_S,
        )

    async def start(self) -> None:
        """Listen, and be heard."""
        listen, subjects = self.hearing.listen, self.subjects
        await listen(partial(subjects.events, self.front), self._event, rates.EVENTS)
        await listen(subjects.beat, self._node_beat, rates.BEATS)
        await listen(subjects.samples, self._samples, rates.SAMPLES)
        await self._engine.listen(subjects.front_beat(self.front), self._echo)
        self._engine.came_back.append(self._came_back)
        self._tasks.repeat(self._beats.say, say.BEAT_S, "front beats")
        self._tasks.repeat(self._judge, TICK_S, "node verdicts")

    async def aclose(self) -> None:
        """Follow nobody any more."""
        await self._tasks.aclose()

    async def adopt(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        """See `Placement.adopt`: every node that may have some of them is asked, or its lease is over."""
        return await self._adoption.of(attempts)

    # ---- for the placement

    @property
    def boot(self) -> str:
        """A name of this life of the front."""
        return self._beats.boot

    def there(self) -> list[Node]:
        """The nodes that are not lost."""
        return [self.nodes[name] for name in self.live.among(NodeState.READY, NodeState.SUSPECT)]

    def ready(self) -> list[Node]:
        """Those that sessions may be given to."""
        ready, drained = self.live.among(NodeState.READY), self.memory.drained
        return [one for name in ready if name not in drained and not (one := self.nodes[name]).beat.early]

    def forget(self, name: str) -> None:
        """A node is no part of the cluster any more, until it is heard again."""
        del self.nodes[name]
        self.live.forget(name)
        self.memory.forget(name)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside whoever calls, as long as nodes are followed."""
        self._tasks.spawn(work, name)

    def next_turn(self) -> int:
        """A number for a message to a node whose order matters."""
        self._turn += 1
        return self._turn

    def give(self, session: SessionId, generation: int, node: str) -> Holding:
        """An attempt is about to be asked of a node."""
        return self._given(Holding(session, generation, node, self.next_turn()))

    def was_on(self, session: SessionId) -> str:
        """The node that a session is on, or was on last; empty when nobody knows."""
        node = self.held.was_on(session)
        return node if node and self.live.state(node) is not NodeState.LOST else ""

    async def ask(self, node: str, ask: say.Ask) -> say.Answer:
        """Ask a node for something.

        Raises:
            NobodyThere: It was not done.
            NoAnswer: It may have been.
        """
        data = await self._engine.ask(self.subjects.do(node), say.encoded(ask), ASK_S)
        try:
            answer: say.Answer = say.decoded(say.Answer, data)
        except RemoteProtocolError as error:
            raise NoAnswer(f"{node} answered what cannot be read: {error.message}") from error
        if len(answer.message) > _MOST_SAID:  # it is written down with each attempt
            answer = replace(answer, message=f"{answer.message[:_MOST_SAID]}…")
        return answer

    def sync(self, node: str) -> None:
        """Ask a node for everything it has of this front: now, or with a later beat of it."""
        known = self.nodes.get(node)
        if known is None:
            return
        now = self._clock.now()
        is_early = now - known.synced_at < ASK_AGAIN_S  # it may give reason to ask as often as it likes
        known.is_owed = known.is_syncing or is_early  # what is under way may have been asked too early
        if not known.is_owed:
            known.is_syncing, known.synced_at = True, now
            self._tasks.spawn(self._sync(node, known), f"sync {node}")

    def _given(self, holding: Holding) -> Holding:
        self.held.give(holding)
        self.ends.told(holding)
        return holding

    # ---- what nodes say

    async def _node_beat(self, subject: str, data: bytes) -> None:
        name = node_of(subject)
        if len(data) > MAX_BEAT_BYTES:
            raise RemoteProtocolError(f"a beat of {len(data)} bytes")
        beat = believed(say.decoded(say.Beat, data), name)
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= MAX_NODES:
                return
            node = self.nodes[name] = Node(beat)
            self.memory.remember(name)
        if beat.boot == node.beat.boot and beat.number < node.beat.number:
            return  # one that was late
        if self.live.is_over(name, beat.boot):
            node.spoke_late(name)
            return
        node.beat = beat
        if beat.leaving:
            if (left := self.live.left(name, beat.boot)) is not None:
                self._judged(left)
            return
        verdicts = self.live.beat(name, beat.boot, self._clock.now())
        for verdict in verdicts:
            self._judged(verdict)
        if beat.early:
            return
        if verdicts or beat.boot != node.inbox.boot:  # it may have been announced alone
            await self._beats.say_of(name)
        for listener in self.beaten:
            listener(name, node)
        now, is_known = self._clock.now(), node.served is not None and node.served.digest == beat.surface
        if not (is_known or node.is_asked) and now - node.asked_at >= ASK_AGAIN_S:
            node.is_asked, node.asked_at = True, now
            self._tasks.spawn(self._ask_surface(name, node), f"surface {name}")
        number = beat.told.get(self.front, 0)
        node.lacking = node.lacking + 1 if node.inbox.lacks(beat.boot, number) else 0
        # Beats and events are read from two queues: that a beat is ahead once says nothing.
        if beat.boot != node.inbox.boot or node.lacking > 1 or node.is_owed:
            self.sync(name)

    async def _event(self, subject: str, data: bytes) -> None:
        one: say.Told = say.decoded(say.Told, data)
        name = node_of(subject)
        node = self.nodes.get(name)
        if node is None:
            return
        match node.inbox.take(one):
            case Came.NEW:
                if not self._take(name, one) and one.kind in _RUNS:
                    self.sync(name)  # it was given up, and goes on: it is stopped as a stray
            case Came.GAP:
                self.sync(name)
            case Came.OLD:
                pass

    def _take(self, node: str, one: say.Told) -> bool:
        """Whether it is of an attempt that this front follows there."""
        if one.kind not in say.KINDS:
            return True
        try:
            event = one.event()
        except RemoteProtocolError as error:
            _log.warning("node.event_refused", node_id=node, error=error.message[:_MOST_SAID])
            return True
        if not self.held.takes(node, one):
            return self.held.has(node, one.session, one.generation)
        held = self.held.get(one.session)
        if isinstance(event, Placed):  # where it is, its subject says, and not who runs it
            event = replace(event, node_id=node, boot=one.boot)
        if held is not None and isinstance(event, Released):
            self.ends.over(held)
        elif held is not None and one.kind not in MANY:
            self.ends.told(held)
        if isinstance(event, Exited) and event.exit.reason is ExitReason.NOT_STARTED:
            self.nodes[node].doubt(self._clock.now())  # who starts nothing has the least to start
        self.events.put_nowait(event)
        for listener in self.taken:
            listener(node, event)
        return True

    async def _samples(self, subject: str, data: bytes) -> None:
        if (node := self.nodes.get(node_of(subject))) is not None:
            found: dict[SessionId, Vitals | None] = say.decoded(dict[SessionId, Vitals | None], data)
            mine = {one.session for one in self.held.on(node.beat.node)}
            figures = {key: one for key, one in found.items() if key in mine and is_finite(one)}
            node.measured(figures, self._clock.now(), self.held.measured)

    async def _echo(self, _: str, data: bytes) -> None:
        self.live.echo(self._clock.now())

    # ---- what is asked of them

    async def _sync(self, name: str, node: Node) -> None:
        try:
            await self._adoption.begun.wait()  # what of an earlier life it has is no stray
            async with self._syncs:
                turn = self.next_turn()
                answer = await self.ask(name, say.Sync(front=self.front, boot=self.boot, turn=turn))
            if answer.code:
                node.refused(name, answer)
                return
            synced: say.Synced = say.decoded(say.Synced, answer.body)
            if self.live.is_over(name, synced.boot) or not node.inbox.synced(synced):
                node.is_owed = True
                return
            node.lacking = 0
            for session, generation, seen in self._adoption.found(name, synced):
                self._given(Holding(session, generation, name, 0, synced.boot, seen))
            for one in synced.told:
                self._take(name, one)
            for holding in self.held.missing(name, synced, turn):
                self.ends.lost(holding, f"{name} does not have it any more")
            for session, generation in self.held.strays(name, synced):
                _log.warning("node.stray_stopped", node_id=name, session_id=session, attempt=generation)
                reason = ExitReason.NODE_LOST.value
                stop = say.Stop(session=session, generation=generation, reason=reason, grace_s=0)
                await self.ask(name, stop)
            for holding in self.held.on(name):
                await self.ends.insist(holding)
        except (NobodyThere, NoAnswer, RemoteProtocolError) as error:
            _log.info("node.not_synced", node_id=name, error=error.message)
            node.is_owed = True  # the next beat asks again
        finally:
            node.is_syncing = False

    async def _ask_surface(self, name: str, node: Node) -> None:
        try:
            answer = await self.ask(name, say.Surface())
            surface: say.Served = say.decoded(say.Served, answer.body)
            node.said(surface)
            paths = [one.path for one in served(surface.endpoints)]
            _log.info("node.serves", node_id=name, endpoints=paths[:50])
            self._changed()
        except (NobodyThere, NoAnswer, RemoteProtocolError) as error:
            _log.info("node.surface_unknown", node_id=name, error=error.message)
        finally:
            node.is_asked = False

    # ---- who lives

    async def _judge(self) -> None:
        now = self._clock.now()
        for verdict in self.live.tick(now):
            self._judged(verdict)
        self.ends.tick(now)
        if self._adoption.tick(now):
            self.memory.keep_only(self.nodes)

    def _judged(self, verdict: Verdict) -> None:
        name, is_gone = verdict.node, verdict.state is NodeState.LOST
        count = self.held.count(name)
        for listener in self.judged:
            listener(verdict, count)
        if is_gone:
            is_reborn = self.live.state(name) is not NodeState.LOST
            for holding in self.held.on(name):
                # What a new life was asked for and has not confirmed, its sync will tell.
                if holding.boot == verdict.boot or not is_reborn:
                    self.ends.lost(holding, f"{name} was lost")
        self._changed()

    def _came_back(self) -> None:
        for name in self.nodes:
            self.sync(name)
