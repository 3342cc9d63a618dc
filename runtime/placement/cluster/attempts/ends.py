"""How attempts end that nodes have: asked to, with their node, or given up when it tells nothing of them.

Runs in: the front's event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.attempts.deadlines import STEP_S, Deadlines, Late, Step
from runtime.placement.cluster.engine.connection import NoAnswer, NobodyThere
from runtime.placement.cluster.liveness import Liveness, NodeState
from runtime.placement.cluster.nodes import Node
from runtime.placement.cluster.resync import Holding, Holdings
from runtime.session.events import Exited, Released, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from runtime.session.spec import SessionId
from runtime.tasks import Tasks

_log = get_logger("cluster")


class Ends:
    """Those of one front's attempts.

    Args:
        held: The attempts that nodes have.
        events: Takes what nobody else tells.
        ask: Asks a node for something; raises `NobodyThere` or `NoAnswer`.
        sync: Has a node asked for everything it has.
        tasks: Run what is done beside.

    Attributes:
        stops: What ends are asked for, until they come.
        withheld: Called, in order, with each node that did not tell in time, and of how many attempts.
    """

    def __init__(
        self,
        held: Holdings,
        events: asyncio.Queue[SessionEvent],
        *,
        clock: Clock,
        live: Liveness,
        nodes: Mapping[str, Node],
        ask: Callable[[str, say.Ask], Awaitable[say.Answer]],
        sync: Callable[[str], None],
        tasks: Tasks,
    ) -> None:
        self._held, self._events, self._clock, self._tasks = held, events, clock, tasks
        self._live, self._nodes, self._ask, self._sync = live, nodes, ask, sync
        self.stops: dict[SessionId, say.Stop] = {}
        self.withheld: list[Callable[[str, int], None]] = []
        self._released: dict[SessionId, asyncio.Event] = {}
        self._deadlines = Deadlines()

    def told(self, holding: Holding) -> None:
        """An attempt was given to a node, or its node told its next step."""
        if (node := self._nodes.get(holding.node)) is not None:
            self._deadlines.told(holding, node.beat, self._clock.now())

    async def stop(self, holding: Holding, stop: say.Stop) -> None:
        """Have an attempt end, however often that has to be said; returns once it is released or given up."""
        self.stops[holding.session] = stop
        if (node := self._nodes.get(holding.node)) is not None:
            self._deadlines.asked(holding, stop, node.beat, self._clock.now())
        released = self._released.setdefault(holding.session, asyncio.Event())
        await self.insist(holding)
        await released.wait()

    async def insist(self, holding: Holding) -> None:
        """Say once more that it is to end, if it is."""
        if (stop := self.stops.get(holding.session)) is None:
            return
        try:
            await self._ask(holding.node, stop)
        except (NobodyThere, NoAnswer):
            self._sync(holding.node)  # which says it again

    def let_go(self, holding: Holding) -> ExitReason | None:
        """A node did not take an attempt; the reason for which it was to end meanwhile, if it was."""
        stop = self.stops.get(holding.session)
        self.over(holding)
        return None if stop is None else ExitReason(stop.reason)

    def over(self, holding: Holding) -> None:
        """Nothing more is to be told of an attempt."""
        self._held.drop(holding)
        self._deadlines.over(holding.session)
        self.stops.pop(holding.session, None)
        if (released := self._released.pop(holding.session, None)) is not None:
            released.set()

    def ended(self, session: SessionId, reason: ExitReason, message: str) -> None:
        """Say of an attempt that it is over, because nobody else will."""
        now = self._clock.wall()
        exit = Exit(reason=reason, message=message, at=now)
        self._events.put_nowait(Exited(session_id=session, at=now, exit=exit))
        self._events.put_nowait(Released(session_id=session, at=now))

    def lost(self, holding: Holding, why: str) -> None:
        """Its node has it no more, or never had it."""
        if holding.is_confirmed:
            self._over(holding, ExitReason.NODE_LOST, f"The machine it ran on was lost: {why}")
        else:
            if holding.is_taken and self._live.state(holding.node) is NodeState.READY:
                self._tell_withheld(holding.node, 1)
            self._over(holding, ExitReason.NOT_STARTED, f"It could not be started: {why}")

    def tick(self, now: float) -> None:
        """Time has passed: do what is due about those whose node does not tell of them."""

        def could_tell(name: str) -> bool:
            hears_s = now - self._live.hears_since
            return self._live.state(name) is NodeState.READY and hears_s >= STEP_S

        late = Counter[str]()
        for one in self._deadlines.due(now, could_tell):
            match one.step:
                case Step.ASK:
                    self._sync(one.holding.node)
                case Step.KILL:
                    late[one.holding.node] += 1
                    self._tasks.spawn(self._kill(one.holding), f"kill {one.holding.session}")
                case Step.GIVE_UP:
                    self._give_up(one)
        for name, count in late.items():
            self._tell_withheld(name, count)

    def _tell_withheld(self, name: str, count: int) -> None:
        self._nodes[name].withheld(count, self._clock.now())
        for listener in self.withheld:
            listener(name, count)

    async def _kill(self, holding: Holding) -> None:
        stop = self.stops.get(holding.session)
        kill = say.Stop(
            session=holding.session,
            generation=holding.generation,
            reason=ExitReason.NODE_LOST.value if stop is None else stop.reason,
            grace_s=0,
        )
        with suppress(NobodyThere, NoAnswer):
            await self._ask(holding.node, kill)

    def _give_up(self, late: Late) -> None:
        holding = late.holding
        is_ending = holding.session in self.stops or "Stopping" in holding.seen
        what = "that it ended" if is_ending else "what became of it"
        _log.error(
            "node.given_up_on",
            node_id=holding.node,
            session_id=holding.session,
            attempt=holding.generation,
            silent_s=round(late.silent_s, 1),
        )
        why = f"{holding.node} had it, and did not tell for {late.silent_s:.0f} s {what}"
        self._over(holding, ExitReason.NODE_LOST, why)  # it may have run, and not each is to run twice

    def _over(self, holding: Holding, reason: ExitReason, message: str) -> None:
        self.over(holding)
        if "Exited" in holding.seen:
            self._events.put_nowait(Released(session_id=holding.session, at=self._clock.wall()))
        else:
            self.ended(holding.session, reason, message)
