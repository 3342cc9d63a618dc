"""Which nodes are there, which are doubted, and which are given up.  Pure.

Theory: a node is heard by its beats. One that is silent for `SUSPECT_S` gets no new sessions; one that is
silent for its lease and a second is lost, and its sessions are placed again. By then it has ended them
itself, because its lease began when it sent its last beat that was heard, which is before that beat was
heard. A new boot proves that what the old one ran is gone; whatever an old one says after that was late, or
comes from another machine that calls itself the same, and counts for nothing.

Who hears nobody may be deaf. So a front listens to its own beats, which take the same way: as long as it
did not hear them without a gap for a whole lease, it gives nobody up.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

SUSPECT_S: Final = 1.5
MARGIN_S: Final = 1.0
"""What a node has to end its sessions in, after its lease is over."""
_MOST_OVER: Final = 16


class NodeState(StrEnum):
    """What a front thinks of a node."""

    READY = "ready"
    SUSPECT = "suspect"
    LOST = "lost"


class Verdict(msgspec.Struct, frozen=True):
    """A node changed its state, or ended a life: of `LOST`, that of `boot` is over."""

    node: str
    boot: str
    state: NodeState


class _Node(msgspec.Struct):
    boot: str
    heard_at: float
    state: NodeState = NodeState.READY
    over: tuple[str, ...] = ()


class Liveness:
    """All nodes of a cluster, as one front hears them.

    Args:
        lease_s: How long a node runs sessions without being heard.
    """

    def __init__(self, *, lease_s: float, now: float) -> None:
        self._lease_s = lease_s
        self._nodes: dict[str, _Node] = {}
        self._among: dict[tuple[NodeState, ...], list[str]] = {}
        self._echo_at = now
        self._whole_since = now

    def state(self, node: str) -> NodeState:
        """Of a node that was never heard: lost."""
        known = self._nodes.get(node)
        return NodeState.LOST if known is None else known.state

    def among(self, *states: NodeState) -> list[str]:
        """The nodes of these states; asked for each call, and looked for when one changed."""
        found = self._among.get(states)
        if found is None:
            found = [name for name, node in self._nodes.items() if node.state in states]
            self._among[states] = found
        return found

    def boot(self, node: str) -> str:
        """Which life of it was heard last; empty when none was."""
        known = self._nodes.get(node)
        return "" if known is None else known.boot

    def silent_s(self, node: str, now: float) -> float | None:
        """Seconds since it was heard; None when it never was."""
        known = self._nodes.get(node)
        return None if known is None else max(0.0, now - known.heard_at)

    def is_over(self, node: str, boot: str) -> bool:
        """Whether a life of a node was followed by another one."""
        known = self._nodes.get(node)
        return known is not None and boot in known.over

    def echo(self, now: float) -> None:
        """This front's own beat came back."""
        if now - self._echo_at > SUSPECT_S:
            self._whole_since = now
        self._echo_at = now

    @property
    def hears_since(self) -> float:
        """Since when this front hears itself without a gap."""
        return self._whole_since

    def beat(self, node: str, boot: str, now: float) -> list[Verdict]:
        """A node was heard; a life of it that is over with that comes first."""
        known = self._nodes.get(node)
        found = []
        if known is not None and known.boot != boot and known.state is not NodeState.LOST:
            found.append(Verdict(node, known.boot, NodeState.LOST))
        if known is None or known.boot != boot or known.state is not NodeState.READY:
            found.append(Verdict(node, boot, NodeState.READY))
        over = () if known is None else known.over
        if known is not None and known.boot != boot:
            over = (*over, known.boot)[-_MOST_OVER:]
        self._nodes[node] = _Node(boot, now, over=over)
        if found:
            self._among.clear()
        return found

    def left(self, node: str, boot: str) -> Verdict | None:
        """A node said that it ends, and has nothing more; None when that is known."""
        known = self._nodes.get(node)
        if known is None or known.boot != boot or known.state is NodeState.LOST:
            return None
        known.state = NodeState.LOST
        self._among.clear()
        return Verdict(node, boot, NodeState.LOST)

    def forget(self, node: str) -> None:
        """It is no part of the cluster any more."""
        self._nodes.pop(node, None)
        self._among.clear()

    def tick(self, now: float) -> list[Verdict]:
        """Time has passed."""
        if now - self._echo_at > SUSPECT_S:
            self._whole_since = now  # deaf, or not running: what was silent meanwhile says nothing
        hears_s = now - self._whole_since
        found = []
        for name, node in self._nodes.items():
            silent_s = now - node.heard_at
            over_s = self._lease_s + MARGIN_S
            if node.state is not NodeState.LOST and silent_s >= over_s and hears_s >= self._lease_s:
                node.state = NodeState.LOST
                found.append(Verdict(name, node.boot, NodeState.LOST))
            elif node.state is NodeState.READY and silent_s >= SUSPECT_S:
                node.state = NodeState.SUSPECT
                found.append(Verdict(name, node.boot, NodeState.SUSPECT))
        if found:
            self._among.clear()
        return found
