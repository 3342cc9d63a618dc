"""What a front knows of its nodes, from their beats: a mirror that is whole again a second after a start.

And what it says to them of that, in beats of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from runtime.errors import LACKS
from runtime.logs import get_logger
from runtime.placement.cluster.choice import Candidate
from runtime.placement.cluster.engine.connection import Engine
from runtime.placement.cluster.messages import Answer, Beat, FrontBeat, Have, Heard, Served, encoded
from runtime.placement.cluster.resync import Holdings, Inbox
from runtime.placement.machines import MachineLoad
from runtime.session.calls.deployed import service_of
from runtime.session.info import BundleInfo, Capacity, EndpointInfo, Enforcement, Vitals
from runtime.session.measured import Measured
from runtime.session.numbers import is_finite
from runtime.session.spec import SessionId

DOUBT_S: Final = 60.0
MOST_DOUBT_S: Final = 3600.0
MOST_SESSIONS: Final = 1_000_000
MOST_BYTES: Final = 1 << 50
MAX_SERVED: Final = 2000
"""Endpoints, or bundles, of one node; bundles that were sent there, and endpoints of one of those."""
_log = get_logger("cluster")
_ORDER = {"ready": 0, "loading": 1, "failed": 2}


class Node(msgspec.Struct):
    """One node.

    Attributes:
        served: What it serves; None before it was asked.  Set by `said`.
        lacking: Beats in a row that told of events which did not come.
        is_owed: It was not asked for everything yet after something that makes that necessary.
        synced_at, asked_at: When it was asked last for everything it has, and for what it serves.
        judged: What it serves, as far as that was looked at (`sent.wanted`).
        glances: What was measured of its sessions last.
    """

    beat: Beat
    inbox: Inbox = msgspec.field(default_factory=Inbox)
    served: Served | None = None
    lacking: int = 0
    is_owed: bool = False
    is_syncing: bool = False
    is_asked: bool = False
    synced_at: float = -math.inf
    asked_at: float = -math.inf
    judged: Served | None = None
    glances: dict[SessionId, Vitals | None] = msgspec.field(default_factory=dict)
    _withheld: int = 0
    _withheld_boot: str = ""
    _doubted_until: float = -math.inf
    _doubted_boot: str = ""
    _refusal: str = ""
    _is_twice: bool = False
    _by_id: dict[str, Have] = msgspec.field(default_factory=dict)

    def said(self, served: Served) -> None:
        """It was asked what it serves.  All of that is looked through for each call, so it has a bound."""
        sizes = [len(served.endpoints), len(served.bundles), len(served.sent)]
        if max(sizes + [len(one.endpoints) for one in served.sent]) > MAX_SERVED:
            _log.error("node.serves_too_much", node_id=self.beat.node, most=MAX_SERVED)
            served = msgspec.structs.replace(
                served,
                endpoints=served.endpoints[:MAX_SERVED],
                bundles=served.bundles[:MAX_SERVED],
                sent=[
                    msgspec.structs.replace(one, endpoints=one.endpoints[:MAX_SERVED])
                    for one in served.sent[:MAX_SERVED]
                ],
            )
        self.served, self._by_id = served, {one.id: one for one in served.sent}

    def measured(self, figures: Mapping[SessionId, Vitals | None], now: float, moved: Measured) -> None:
        """What it measured of its sessions; those that did anything since are noted."""
        before = self.glances
        self.glances = {key: one and msgspec.structs.replace(one, at=now) for key, one in figures.items()}
        for session, one in self.glances.items():
            if one is not None and _use(one) != _use(before.get(session)):
                moved.note(session)

    def refused(self, name: str, answer: Answer) -> None:
        """It does not say what it has: to be asked again, and told once."""
        self.is_owed = True
        if self._refusal != answer.code:
            self._refusal = answer.code
            _log.error("node.follows_another", node_id=name, error=answer.message, cure=answer.cure)

    def withheld(self, count: int, now: float) -> None:
        """It did not tell of so many sessions in time: for a while it gets those that no other takes."""
        self._withheld, self._withheld_boot = self.withheld_count + count, self.beat.boot
        self.doubt(now, min(DOUBT_S * self._withheld, MOST_DOUBT_S))

    def doubt(self, now: float, for_s: float = DOUBT_S) -> None:
        """It did not start what it took: until then, or its next life, it comes after each other."""
        self._doubted_until, self._doubted_boot = max(self._doubted_until, now + for_s), self.beat.boot

    @property
    def withheld_count(self) -> int:
        """Sessions of which this life of it did not tell in time."""
        return self._withheld if self._withheld_boot == self.beat.boot else 0

    def is_doubted(self, now: float) -> bool:
        """Whether it started no session lately that it took, or did not tell of some."""
        return now < self._doubted_until and self._doubted_boot == self.beat.boot

    def spoke_late(self, name: str) -> None:
        """A life of it that is over was heard: told once."""
        if not self._is_twice:
            self._is_twice = True
            cure = "Was a state folder copied? Have one of them join anew, with --id and a folder of its own."
            _log.error("node.there_twice", node_id=name, cure=cure)

    def serves(self, path: str) -> bool:
        """Whether sessions of that path can be started there."""
        if self.served is None:
            return False
        return any(one.path == path and one.state != "failed" for one in self.served.endpoints)

    @property
    def sent(self) -> list[Have]:
        """What became there of all bundles that were sent."""
        return [] if self.served is None else self.served.sent

    def has(self, bundle: str) -> Have | None:
        """What became there of a bundle that was sent; None before it said so."""
        return self._by_id.get(bundle)

    def refuses(self, have: Have) -> None:
        """What it says of a bundle is not believed, as `have` tells."""
        assert self.served is not None
        self._by_id[have.id] = have
        sent = [have if one.id == have.id else one for one in self.served.sent]
        self.served = msgspec.structs.replace(self.served, sent=sent)

    def candidate(self, held: Holdings, now: float) -> Candidate:
        """As one that could take a session; what is on its way to it counts."""
        load = self.beat.capacity
        starting = held.starting(self.beat.node)
        room = load.max_sessions - max(load.sessions, held.count(self.beat.node))
        is_closed = self.beat.draining or load.draining or bool(load.lacks)
        has_memory = load.headroom_bytes is None or load.headroom_bytes >= load.session_bytes
        if is_closed or not has_memory:
            room = 0
        return Candidate(
            node=self.beat.node,
            starting=max(load.starting, starting),
            processors=self.beat.processors,
            headroom_bytes=load.headroom_bytes,
            room=room,
            is_doubted=self.is_doubted(now),
        )


def believed(beat: Beat, name: str) -> Beat:
    """A beat without what one node could say of itself that would count for all.

    Args:
        name: Whose it is: who may publish there is known, and what it calls itself is not believed.
    """
    said, most = beat.capacity, MOST_SESSIONS
    sessions, starting = _within(said.max_sessions, most), _within(said.max_starting, most)
    capacity = msgspec.structs.replace(
        said,
        max_sessions=sessions,
        max_starting=starting,
        sessions=_within(said.sessions, sessions),
        starting=_within(said.starting, starting),
        headroom_bytes=said.headroom_bytes and _within(said.headroom_bytes, MOST_BYTES),
        session_bytes=_within(said.session_bytes, MOST_BYTES),
        sessions_left=said.sessions_left and _within(said.sessions_left, most),
        lacks=tuple(one for one in said.lacks[: len(LACKS)] if one in LACKS),
        fresh=_within(said.fresh, 1 << 20),
    )
    load = beat.load
    if not is_finite(load) or max(load.memory_bytes, load.memory_most_bytes) > MOST_BYTES:
        load = MachineLoad()
    processors = max(1, _within(beat.processors, most))
    return msgspec.structs.replace(beat, node=name, capacity=capacity, load=load, processors=processors)


def bundles(nodes: Iterable[Node]) -> list[BundleInfo]:
    """Each bundle once, as it is on the node where it is best."""
    found: dict[str, BundleInfo] = {}
    for one in (bundle for node in nodes if node.served for bundle in node.served.bundles):
        known = found.get(one.name)
        if known is None or _ORDER.get(one.state, 3) < _ORDER.get(known.state, 3):
            found[one.name] = one
    return sorted(found.values(), key=lambda one: one.name)


def endpoints(nodes: Iterable[Node]) -> list[EndpointInfo]:
    """Each path of each bundle once, as it is on the node where it is best."""
    found: dict[tuple[str, str], EndpointInfo] = {}
    for one in (endpoint for node in nodes if node.served for endpoint in node.served.endpoints):
        if service_of(one.path) is not None:
            continue  # what is sent to nodes, their front knows itself
        known = found.get((one.bundle, one.path))
        if known is None or _ORDER.get(one.state, 3) < _ORDER.get(known.state, 3):
            found[one.bundle, one.path] = one
    return [found[key] for key in sorted(found)]


def capacity(nodes: Iterable[Node], held: int, starting: int, *, draining: bool) -> Capacity:
    """Of all together.

    Args:
        held: Sessions that this front gave away, also those that no beat tells of yet.
        starting: Of those, the ones that are not ready.
    """
    loads = [node.beat.capacity for node in nodes if not node.beat.draining]
    sizes = sorted(one.session_bytes for one in loads if one.session_bytes)
    size = sizes[(len(sizes) - 1) // 2] if sizes else 1  # whoever says another one counts for itself alone
    rooms = [one for one in loads if one.headroom_bytes is not None]
    fits = [(one.headroom_bytes or 0) // (one.session_bytes or size) for one in rooms]
    left = [one.sessions_left for one in loads if one.sessions_left is not None]
    lacks = set(loads[0].lacks).intersection(*(one.lacks for one in loads)) if loads else set[str]()
    return Capacity(
        sessions=max(held, sum(one.sessions for one in loads)),
        starting=max(starting, sum(one.starting for one in loads)),
        max_sessions=sum(one.max_sessions for one in loads),
        max_starting=sum(one.max_starting for one in loads),
        draining=draining,
        headroom_bytes=sum(fits) * size if loads and len(fits) == len(loads) else None,
        session_bytes=size,
        sessions_left=sum(left) if loads and len(left) == len(loads) else None,
        lacks=tuple(sorted(lacks)),
        fresh=max(1, sum(one.fresh for one in loads)),
    )


def enforcement(nodes: Iterable[Node]) -> Enforcement:
    """As on one of them; they are all alike, or each session's own record says otherwise."""
    first = next((node.served for node in nodes if node.served is not None), None)
    return Enforcement(limits={}, reason="no node is there") if first is None else first.enforcement


class FrontBeats:
    """Beats of one front.

    Args:
        subject: Where they are said.
        lease_s: How long a node runs sessions without being heard.
        nodes: Those it hears, by name.
        reads: Whether somebody looks at the figures of all sessions.

    Attributes:
        boot: A name of this life of the front.
    """

    def __init__(
        self,
        engine: Engine,
        subject: str,
        *,
        front: str,
        lease_s: float,
        nodes: Mapping[str, Node],
        reads: Callable[[], bool],
    ) -> None:
        self._engine, self._subject, self._front, self._lease_s = engine, subject, front, lease_s
        self._nodes, self._reads = nodes, reads
        self.boot = secrets.token_hex(6)
        self._number = 0

    async def say(self) -> None:
        """To all nodes, of all."""
        await self._say(self._nodes)

    async def say_of(self, name: str) -> None:
        """Of one node alone, which may take sessions once it knows that it was heard.

        All nodes hear it: after an outage they come back together, and each word of all to all would be much.
        """
        await self._say({name: self._nodes[name]})

    async def _say(self, nodes: Mapping[str, Node]) -> None:
        self._number += 1
        heard = {}
        for name, node in nodes.items():
            taken = node.inbox.taken if node.inbox.boot == node.beat.boot else 0
            heard[name] = Heard(node.beat.boot, node.beat.sent, taken)
        beat = FrontBeat(
            front=self._front,
            boot=self.boot,
            number=self._number,
            lease_s=self._lease_s,
            heard=heard,
            reads=self._reads(),
        )
        await self._engine.publish(self._subject, encoded(beat))


def _within(said: int, most: int) -> int:
    return min(max(0, said), most)


def _use(vitals: Vitals | None) -> tuple[float, int, int] | None:
    return None if vitals is None else (vitals.cpu_s, vitals.rss_bytes, vitals.pss_bytes)
