"""Events that reach a front exactly once and in order, over a link that loses, repeats and delays.  Pure.

Theory: a node numbers what it tells a front. A front takes number after number; one that is missing, or a
beat that says that more was sent than came, makes it ask for a sync. What a node keeps for that is the last
event of each kind of each attempt, until the front has acknowledged the attempt's last one. Taking an event
twice changes nothing, because each attempt has one of each kind that counts.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from runtime.placement.cluster.messages import Synced, Told, told
from runtime.session.events import Exited, SessionEvent
from runtime.session.measured import Measured
from runtime.session.spec import SessionId

MAX_ENDS: Final = 10_000
MAX_KEPT_BYTES: Final = 64 << 20
MAX_ANSWER_BYTES: Final = 4 << 20
REMEMBER_COUNT: Final = 1000
"""Ended sessions of which is known where their log is."""
_TOLD_ONCE: Final = ("Warned", "Traced")
"""Not kept: who missed it has the log, or one trace less."""
MANY: Final = ("Status", "Warned", "Refused", "Traced")
"""Kinds of which an attempt may have many; of the others it has one."""

Attempt = tuple[SessionId, int]


class Outbox:
    """A node's side: what it told one front, and has to tell again when it is asked.

    Beyond `MAX_ENDS` ends that nobody acknowledged, or `MAX_KEPT_BYTES`, the reports of the oldest go, then
    the oldest ends.
    """

    def __init__(self, boot: str, *, max_ends: int = MAX_ENDS, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._boot, self._max_ends, self._max_bytes = boot, max_ends, max_bytes
        self.number = 0
        self._kept: dict[Attempt, dict[str, Told]] = {}
        self._ended: dict[Attempt, int] = {}  # to the number of its last event, the oldest first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, attempt: Attempt) -> bool:
        return attempt in self._kept

    def put(self, generation: int, event: SessionEvent) -> Told:
        """Number an event and keep it; it is to be sent."""
        made = told(self._boot, self.number + 1, generation, event)
        self.number = made.number
        attempt = (made.session, generation)
        if made.kind not in _TOLD_ONCE:
            self._keep(attempt, made)
        if made.kind in ("Exited", "Released"):
            self._ended.pop(attempt, None)
            self._ended[attempt] = made.number
            if made.kind == "Exited" and self._bytes > self._max_bytes:
                self._lighten(self._max_bytes)
        while len(self._ended) > self._max_ends:
            self._drop(next(iter(self._ended)))
        return made

    def acknowledged(self, number: int) -> None:
        """The front has taken everything up to this number: ended attempts before it are over."""
        for attempt, last in list(self._ended.items()):
            if last > number:
                break
            if "Released" in self._kept.get(attempt, {}):
                self._drop(attempt)

    def synced(self, held: Iterable[Attempt] = (), *, max_bytes: int = MAX_ANSWER_BYTES) -> Synced:
        """All there is to know, in the order in which it happened; the oldest reports go if it is much.

        Args:
            held: What the node has, also that of which nothing was put here yet.
        """
        if self._bytes > max_bytes:
            self._lighten(max_bytes)
        kept = sorted((one for kinds in self._kept.values() for one in kinds.values()), key=_number)
        untold = [attempt for attempt in held if attempt not in self._kept]
        return Synced(boot=self._boot, number=self.number, told=kept, untold=untold)

    def _keep(self, attempt: Attempt, made: Told) -> None:
        kinds = self._kept.setdefault(attempt, {})
        before = kinds.pop(made.kind, None)
        self._bytes += len(memoryview(made.body)) - (0 if before is None else len(memoryview(before.body)))
        kinds[made.kind] = made

    def _drop(self, attempt: Attempt) -> None:
        self._ended.pop(attempt, None)
        for one in self._kept.pop(attempt, {}).values():
            self._bytes -= len(memoryview(one.body))

    def _lighten(self, most: int) -> None:
        for attempt in list(self._ended):
            one = self._kept.get(attempt, {}).get("Exited")
            if one is not None:
                event = one.event()
                assert isinstance(event, Exited)
                if event.report is not None:
                    bare = told(one.boot, one.number, one.generation, replace(event, report=None))
                    self._keep(attempt, bare)
            if self._bytes <= most:
                return


class Came(Enum):
    """What a front makes of a number."""

    NEW = "new"
    OLD = "old"
    GAP = "gap"


class Inbox(msgspec.Struct):
    """A front's side, for one node: which number comes next.

    Attributes:
        boot: Of which life of the node; empty before it was synced with one.
        taken: The last number that was taken.
    """

    boot: str = ""
    taken: int = 0

    def take(self, one: Told) -> Came:
        """A number came; one that is new is taken with that."""
        if one.boot != self.boot:
            return Came.GAP
        if one.number <= self.taken:
            return Came.OLD
        if one.number > self.taken + 1:
            return Came.GAP
        self.taken = one.number
        return Came.NEW

    def lacks(self, boot: str, number: int) -> bool:
        """Whether a beat says that there is more than came."""
        return boot != self.boot or number > self.taken

    def synced(self, answer: Synced) -> bool:
        """Everything up to its number is known now; False when it is older than what came since."""
        if answer.boot == self.boot and answer.number < self.taken:
            return False
        self.boot, self.taken = answer.boot, answer.number
        return True


class Holding(msgspec.Struct):
    """What a front knows of one attempt that it gave to a node.

    Attributes:
        turn: Of the message with which it was placed.
        boot: Which life of the node has it; empty as long as the node did not say that it has.
        seen: Kinds of events that came.
        is_taken: The node answered that it takes it.
    """

    session: SessionId
    generation: int
    node: str
    turn: int
    boot: str = ""
    seen: set[str] = msgspec.field(default_factory=set)
    is_taken: bool = False

    @property
    def is_confirmed(self) -> bool:
        """The node has said that it has it."""
        return self.boot != ""

    @property
    def is_starting(self) -> bool:
        """It is neither ready, nor over."""
        return not self.seen & {"Ready", "Stopping", "Exited"}


class Holdings:
    """Every attempt that this front gave to some node and that is not over.

    Attributes:
        measured: Which of them did anything, as their nodes told last.
    """

    def __init__(self) -> None:
        self.measured = Measured()
        self._all: dict[SessionId, Holding] = {}
        self._on: dict[str, dict[SessionId, Holding]] = {}
        self._starting: Counter[str] = Counter()
        self._was_on: OrderedDict[SessionId, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Holding]:
        return iter(list(self._all.values()))

    def get(self, session: SessionId) -> Holding | None:
        """The attempt of a session that is not over."""
        return self._all.get(session)

    def give(self, holding: Holding) -> None:
        """An attempt goes to a node."""
        if (before := self._all.get(holding.session)) is not None:
            self.drop(before)
        self._all[holding.session] = holding
        self._on.setdefault(holding.node, {})[holding.session] = holding
        self._starting[holding.node] += holding.is_starting
        self._was_on[holding.session] = holding.node
        self._was_on.move_to_end(holding.session)
        while len(self._was_on) > len(self._all) + REMEMBER_COUNT:
            self._was_on.popitem(last=False)

    def was_on(self, session: SessionId) -> str:
        """The node that a session is on, or was on last; empty when nobody knows."""
        return self._was_on.get(session, "")

    def drop(self, holding: Holding) -> None:
        """It is over, or never began."""
        if self._all.get(holding.session) is holding:
            del self._all[holding.session]
            self._starting[holding.node] -= holding.is_starting
            self.measured.forget(holding.session)
            there = self._on[holding.node]
            del there[holding.session]
            if not there:
                del self._on[holding.node], self._starting[holding.node]

    def takes(self, node: str, one: Told) -> bool:
        """Whether an event changes anything; it is seen with that.  Those of elsewhere and before do not."""
        held = self._all.get(one.session)
        if held is None or (held.generation, held.node) != (one.generation, node):
            return False
        if held.boot not in ("", one.boot):
            return False
        held.boot = one.boot
        if one.kind in MANY:
            return "Exited" not in held.seen
        if one.kind in held.seen or ("Exited" in held.seen and one.kind != "Released"):
            return False
        was_starting = held.is_starting
        held.seen.add(one.kind)
        self._starting[node] -= was_starting and not held.is_starting
        return True

    def has(self, node: str, session: SessionId, generation: int) -> bool:
        """Whether a node was given an attempt, and it is not over."""
        held = self._all.get(session)
        return held is not None and (held.generation, held.node) == (generation, node)

    def on(self, node: str) -> list[Holding]:
        """The attempts that a node has, or may have."""
        return list(self._on.get(node, {}).values())

    def count(self, node: str) -> int:
        """How many these are; asked for every call."""
        return len(self._on.get(node, ()))

    def starting(self, node: str | None = None) -> int:
        """How many are neither ready nor over: of a node, or of all."""
        return self._starting.total() if node is None else self._starting[node]

    def missing(self, node: str, answer: Synced, turn: int) -> list[Holding]:
        """The attempts that a node should have by a sync's turn, and does not."""
        there = {(one.session, one.generation) for one in answer.told} | set(answer.untold)
        return [
            one for one in self.on(node) if one.turn < turn and (one.session, one.generation) not in there
        ]

    def strays(self, node: str, answer: Synced) -> list[Attempt]:
        """What a node runs for this front that this front did not give it, or took back."""
        over = {(one.session, one.generation) for one in answer.told if one.kind in ("Exited", "Released")}
        found = dict[Attempt, None]()
        for one in answer.told:
            attempt = (one.session, one.generation)
            if attempt not in over and not self.has(node, *attempt):
                found[attempt] = None
        return [*found, *(attempt for attempt in answer.untold if not self.has(node, *attempt))]


def _number(one: Told) -> int:
    return one.number
