"""The nodes of a front as an operator sees them, and their drains.  Runs in: the front's event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from runtime.clock import Clock
from runtime.errors import Conflict, NotFound
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import NoAnswer, NobodyThere
from runtime.placement.cluster.follower import Follower
from runtime.placement.cluster.liveness import NodeState, Verdict
from runtime.placement.cluster.nodes import Node
from runtime.placement.machines import NodeEvent, NodeInfo
from runtime.placement.relays import Relays
from runtime.session.calls.deployed import bundle_name
from runtime.session.events import Exited, SessionEvent, Started
from runtime.session.exit_reasons import ExitReason

STARTS_S: Final = 10.0
FORGET_S: Final = 3600.0
"""A node that is lost for so long is no part of the cluster any more, until it is heard again."""
_MOST_STARTS: Final = 10_000
_MOST_SAID: Final = 4000
_BAD: Final = ("node.suspect", "node.lost", "node.floods", "node.withholds")
_log = get_logger("cluster")


class Roster:
    """See `runtime.placement.machines.Machines`."""

    def __init__(self, follower: Follower, clock: Clock, relays: Relays) -> None:
        self._follower, self._clock, self.relays = follower, clock, relays
        self.told: list[Callable[[NodeEvent], None]] = []
        self._known: dict[str, str] = {}
        self._starts: dict[str, deque[float]] = {}
        self._moved: dict[str, int] = {}
        self._asking: set[str] = set()
        self._failed: dict[str, set[str]] = {}
        follower.judged.append(self._judged)
        follower.beaten.append(self._beaten)
        follower.taken.append(self._taken)
        follower.hearing.flooded.append(self._flooded)
        follower.ends.withheld.append(self._withheld)

    def listed(self) -> list[NodeInfo]:
        there = sorted(self._follower.nodes.items())
        return [self._info(name, node) for name, node in there if not self._is_over(name)]

    async def drain(self, name: str) -> NodeInfo:
        node = self._node(name)
        follower = self._follower
        if follower.live.state(name) is NodeState.LOST:
            raise Conflict(
                f"{name} is lost", cure="What it ran goes on elsewhere; there is nothing to drain."
            )
        if not any(one.beat.node != name and not one.beat.draining for one in follower.ready()):
            raise Conflict(
                f"no other node could take what {name} runs",
                cure="Let another one join first: bulkhead node --join … (bulkhead nodes token).",
            )
        if name not in follower.memory.drained:
            follower.memory.drain(name)
            self._moved[name] = 0
            self._tell("node.draining", name, node.beat.boot, follower.held.count(name))
        await self._ask(name, on=True)
        return self._info(name, node)

    async def undrain(self, name: str) -> NodeInfo:
        node, memory = self._node(name), self._follower.memory
        was_drained = name in memory.drained
        memory.undrain(name)
        if was_drained or node.beat.draining:
            await self._ask(name, on=False)
            self._tell("node.undrained", name, node.beat.boot, self._follower.held.count(name))
        return self._info(name, node)

    # ---- what the follower says

    def _judged(self, verdict: Verdict, sessions: int) -> None:
        name, node = verdict.node, self._follower.nodes.get(verdict.node)
        match verdict.state:
            case NodeState.READY:
                is_new = self._known.get(name) != verdict.boot
                self._known[name] = verdict.boot
                self._tell("node.joined" if is_new else "node.ready", name, verdict.boot, sessions)
            case NodeState.SUSPECT:
                self._tell("node.suspect", name, verdict.boot, sessions)
            case NodeState.LOST if node and node.beat.leaving and node.beat.boot == verdict.boot:
                self._tell("node.left", name, verdict.boot, sessions)
                self._drop(name)
            case NodeState.LOST:
                self._tell("node.lost", name, verdict.boot, sessions)
        self._forget()

    def _beaten(self, name: str, node: Node) -> None:
        if name in self._follower.memory.drained and not node.beat.draining and name not in self._asking:
            self._follower.spawn(self._drain_again(name), f"drain {name}")
        failed = {one.id: one for one in node.sent if one.code and one.id in self._follower.wanted}
        known = self._failed.get(name, set())
        for one in (failed[key] for key in failed.keys() - known):
            why = f"{one.message}. {one.cure}".removesuffix(". ")[:_MOST_SAID]
            event = NodeEvent(
                kind="node.bundle_failed",
                name=name,
                boot=node.beat.boot,
                sessions=self._follower.held.count(name),
                bundle=one.name,
                digest=one.digest,
                message=why,
            )
            _log.warning(event.kind, node_id=name, bundle=one.name, digest=one.digest, error=why)
            self._say(event)
        self._failed[name] = set(failed)

    def _flooded(self, name: str) -> None:
        if (node := self._follower.nodes.get(name)) is not None:
            self._tell("node.floods", name, node.beat.boot, self._follower.held.count(name))
        else:
            _log.warning("node.floods", node_id=name or "*")  # of all whom nobody knows

    def _withheld(self, name: str, count: int) -> None:
        node = self._follower.nodes[name]
        cure = "Look at its log, and start it again; others are given calls before it meanwhile."
        self._tell("node.withholds", name, node.beat.boot, count, cure=cure)

    def _taken(self, name: str, event: SessionEvent) -> None:
        if isinstance(event, Started):
            self._starts.setdefault(name, deque(maxlen=_MOST_STARTS)).append(self._clock.now())
        elif isinstance(event, Exited) and event.exit.reason is ExitReason.MOVED:
            self._moved[name] = self._moved.get(name, 0) + 1

    # ---- drains

    async def _ask(self, name: str, *, on: bool) -> None:
        self._asking.add(name)
        try:
            await self._follower.ask(name, say.Drain(on=on))
        except (NobodyThere, NoAnswer) as error:
            if on:
                _log.info("node.drain_not_told", node_id=name, error=error.message)  # its next beat shows it
                return
            raise Conflict(
                f"{name} does not answer", cure="It is given sessions again; say it once more when it does."
            ) from error
        finally:
            self._asking.discard(name)

    async def _drain_again(self, name: str) -> None:
        # It was started again, or the message was lost: whoever drained it meant the machine.
        await self._ask(name, on=True)

    # ---- what is shown

    def _node(self, name: str) -> Node:
        node = self._follower.nodes.get(name)
        if node is None:
            known = ", ".join(sorted(self._follower.nodes)[:20])
            raise NotFound(
                f"there is no node {name[:80]}",
                cure=f"There are: {known}." if known else "No machine was heard yet.",
            )
        return node

    def _info(self, name: str, node: Node) -> NodeInfo:
        follower, beat, now = self._follower, node.beat, self._clock.now()
        state = follower.live.state(name)
        is_draining = beat.draining or name in follower.memory.drained
        sent = {bundle_name(one.name, one.digest) for one in node.sent}
        served = node.served.bundles if node.served is not None else []
        code = {one.name: one.digest or one.state for one in served if one.name not in sent}
        code |= {one.name: one.digest[:12] if one.state == "ready" else one.state for one in node.sent}
        starts = self._starts.get(name, deque())
        while starts and starts[0] < now - STARTS_S:
            starts.popleft()
        return NodeInfo(
            name=name,
            state="draining" if is_draining and state is NodeState.READY else state.value,
            boot=beat.boot,
            sessions=follower.held.count(name),
            starting=follower.held.starting(name),
            max_sessions=beat.capacity.max_sessions,
            processors=beat.processors,
            load=beat.load,
            fresh_per_s=len(starts) / STARTS_S,
            silent_s=follower.live.silent_s(name, now) or 0.0,
            code=code,
            failed={one.name: one.message for one in node.sent if one.code},
            moved=self._moved.get(name, 0) if is_draining else 0,
            withheld=node.withheld_count,
        )

    def _tell(self, kind: str, name: str, boot: str, sessions: int, **more: str) -> None:
        tell = _log.warning if kind in _BAD else _log.info
        tell(kind, node_id=name, boot=boot, sessions=sessions, **more)
        self._say(NodeEvent(kind=kind, name=name, boot=boot, sessions=sessions))

    def _say(self, event: NodeEvent) -> None:
        for listener in self.told:
            listener(event)

    def _forget(self) -> None:
        for name in list(self._follower.nodes):
            if self._is_over(name):
                self._drop(name)

    def _is_over(self, name: str) -> bool:
        """Whether a node has been lost for so long that it is no part of the cluster any more."""
        live, now = self._follower.live, self._clock.now()
        return live.state(name) is NodeState.LOST and (live.silent_s(name, now) or 0.0) >= FORGET_S

    def _drop(self, name: str) -> None:
        if not self._follower.held.count(name):
            self._follower.forget(name)
            for kept in (self._known, self._starts, self._moved, self._failed):
                kept.pop(name, None)
